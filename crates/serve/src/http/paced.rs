//! Connections whose client takes what is sent to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may take for anything, before its bytes count.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Minimum number of bytes per second that a client has to send or take.
const RATE: u64 = 100_000;

/// How long a client may take for this number of bytes.
pub(super) fn patience(bytes: u64) -> Duration {
    PATIENCE.saturating_add(Duration::from_secs(bytes / RATE))
}

/// A connection that fails if its client takes too long for what is sent: not since the last byte, but in all, since a
/// client that takes one byte at a time would otherwise keep a connection and its answer forever.
pub(super) struct Paced {
    stream: TcpStream,
    /// Number of bytes of the answer that were sent.
    sent: u64,
    /// The time for which the client kept the server waiting since its begin.
    waited: Duration,
    /// Since when it does now, and when that has to end.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Paced {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, sent: 0, waited: Duration::ZERO, waiting: None }
    }

    /// Takes note of a step of sending.
    fn pace<T>(
        &mut self,
        context: &mut Context<'_>,
        step: Poll<io::Result<T>>,
        len: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match step {
            Poll::Pending => {
                let left = patience(self.sent).saturating_sub(self.waited);
                let now = Instant::now();
                let end = now.checked_add(left).unwrap_or(now);
                let (_, timer) =
                    self.waiting.get_or_insert_with(|| (now, Box::pin(sleep_until(end))));
                ready!(timer.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Ready(done) => {
                if let Some((since, _)) = self.waiting.take() {
                    self.waited = self.waited.saturating_add(since.elapsed());
                }
                let len = done.as_ref().map_or(0, len);
                self.sent = self.sent.saturating_add(u64::try_from(len).unwrap_or(0));
                Poll::Ready(done)
            }
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pace(context, step, |len| *len)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.stream).poll_flush(context);
        let step = self.pace(context, step, |()| 0);
        if step.is_ready() {
            // The server flushes at the end of an answer.
            (self.sent, self.waited) = (0, Duration::ZERO);
        }
        step
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.stream).poll_shutdown(context);
        self.pace(context, step, |()| 0)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.pace(context, step, |len| *len)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net;
    use std::thread;

    use tokio::net::TcpListener;

    use super::*;

    fn run<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    async fn pair() -> (Paced, net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || net::TcpStream::connect(address).unwrap());
        let server = Paced::new(listener.accept().await.unwrap().0);
        (server, client.join().unwrap())
    }

    async fn write(server: &mut Paced, bytes: &[u8]) -> io::Result<usize> {
        std::future::poll_fn(|context| Pin::new(&mut *server).poll_write(context, bytes)).await
    }

    #[test]
    fn a_client_that_takes_a_little_now_and_then_is_given_up() {
        run(async {
            let (mut server, mut client) = pair().await;
            // It ends with the process.
            thread::spawn(move || {
                let mut few = [0; 64];
                while client.read(&mut few).is_ok_and(|len| len > 0) {
                    thread::sleep(Duration::from_millis(20));
                }
            });
            // As if it had kept the server waiting for nearly as long as it may.
            server.waited = PATIENCE - Duration::from_millis(300);
            let started = Instant::now();
            let much = vec![0; 1 << 20];
            let failed = loop {
                // Bytes that fit into the buffers of the system do not count here.
                server.sent = 0;
                if let Err(error) = write(&mut server, &much).await {
                    break error;
                }
            };
            assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
            assert!(started.elapsed() < Duration::from_secs(20));
        });
    }

    #[test]
    fn a_client_that_takes_everything_stays() {
        run(async {
            let (mut server, mut client) = pair().await;
            let len = 8 << 20;
            let reader = thread::spawn(move || {
                let mut taken = vec![0; len];
                client.read_exact(&mut taken).unwrap();
                client
            });
            let mut left = len;
            while left > 0 {
                left -= write(&mut server, &vec![0; left]).await.unwrap();
            }
            assert!(server.sent >= 8 << 20);
            let flush = |context: &mut Context<'_>| Pin::new(&mut server).poll_flush(context);
            std::future::poll_fn(flush).await.unwrap();
            assert_eq!((server.sent, server.waited), (0, Duration::ZERO));
            drop(reader.join().unwrap());
        });
    }

    #[test]
    fn more_bytes_may_take_longer() {
        assert_eq!(patience(0), PATIENCE);
        assert_eq!(patience(1_000_000), PATIENCE + Duration::from_secs(10));
    }
}
