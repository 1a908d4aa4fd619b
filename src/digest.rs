//! SHA-256 and other bytes as hex digits.

#[cfg(feature = "meta")]
use std::io::{self, Read, Write};

#[cfg(feature = "meta")]
use sha2::{Digest, Sha256};

/// Number of bytes that are read at a time.
#[cfg(feature = "meta")]
const BUFFER: usize = 1 << 16;

/// Encodes bytes in hex.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of some bytes, in hex.
#[cfg(feature = "meta")]
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(Sha256::digest(bytes))
}

/// The number and the SHA-256 of all bytes of `from`, in hex, which are written to `to`.
///
/// # Errors
///
/// The outer error is one of `to`, the inner one of `from`.
#[cfg(feature = "meta")]
pub fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<io::Result<(u64, String)>> {
    let (mut size, mut hash) = (0u64, Sha256::new());
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(error)),
            Ok(n) => n,
        };
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        size = size.saturating_add(u64::try_from(n).unwrap_or(0));
        to.write_all(read)?;
    }
    Ok(Ok((size, hex(hash.finalize()))))
}

/// The number and the SHA-256 of all bytes of `from`, in hex.
#[cfg(feature = "meta")]
pub fn read(from: &mut dyn Read) -> io::Result<(u64, String)> {
    copy(from, &mut io::sink())?
}

#[cfg(all(test, feature = "meta"))]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_its_size_and_digest_and_says_which_side_failed() {
        struct Full;
        impl Read for Full {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("read"))
            }
        }
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("write"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        // FIPS 180-2, appendix B.1
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut copied = Vec::new();
        let found = copy(&mut &b"abc"[..], &mut copied).unwrap().unwrap();
        assert_eq!((found, &copied[..]), ((3, abc.to_owned()), &b"abc"[..]));
        assert_eq!(sha256("abc"), abc);
        assert_eq!(read(&mut Full).unwrap_err().to_string(), "read");
        assert_eq!(copy(&mut &b"abc"[..], &mut Full).unwrap_err().to_string(), "write");
    }
}
