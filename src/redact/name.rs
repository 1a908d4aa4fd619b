//! Judges values by their names.

/// How likely it is that the value of a name is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// The value is not a secret.
    Plain,
    /// The value is a secret if it looks random: `STRIPE_KEY`, but also `sort_key` and `pad_token`.
    Perhaps,
    /// The value is a secret unless it is a number: `token`, `auth`.
    Likely,
    /// The value is a secret: `password`.
    Secret,
}

/// Maximum length of a name; a longer one is judged by its end.
const MAX_NAME: usize = 128;

/// Words that make the value a secret, unless words follow that are not in [`PARTS`].
#[rustfmt::skip]
const SECRETS: &[&str] = &[
    "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "cred", "creds", "jwt",
    "otp", "passcode", "passin", "passout", "passphrase", "passwd", "password", "passwords", "pw", "pwd",
    "secret", "secrets", "totp", "userpwd",
];
/// Suffixes of compound words that are written as one word, such as `PGPASSWORD`.
#[rustfmt::skip]
const ENDS: &[&str] = &[
    "accesskey", "accountkey", "apikey", "authkey", "credential", "credentials", "encryptionkey", "passcode",
    "passphrase", "passwd", "password", "privatekey", "pwd", "secret", "secretkey", "sessionid", "sharedkey",
    "signingkey",
];
/// Prefixes of a compound `pass` that is a password: `dbpass`, but not `compass`.
#[rustfmt::skip]
const OF_PASS: &[&str] = &[
    "admin", "auth", "basic", "become", "cert", "db", "email", "ftp", "git", "http", "imap", "key",
    "keystore", "ldap", "login", "mail", "mongo", "my", "mysql", "pg", "proxy", "redis", "require", "root",
    "smtp", "ssh", "store", "sudo", "svn", "truststore", "user", "vault", "vpn", "web", "wifi",
];
/// Words before a `pass` over data.
#[rustfmt::skip]
const NOT_OF_PASS: &[&str] = &[
    "all", "backward", "band", "double", "each", "eval", "first", "forward", "high", "low", "max", "min",
    "multi", "n", "num", "one", "per", "second", "single", "test", "third", "train", "triple", "two", "val",
    "compiler", "fusion", "graph", "optimization", "render",
];
/// Words before a `key` that is a secret.
#[rustfmt::skip]
const OF_KEY: &[&str] = &[
    "access", "account", "admin", "aes", "api", "auth", "cipher", "client", "consumer", "crypto",
    "decryption", "deploy", "encryption", "gpg", "hmac", "ingest", "ingestion", "instrumentation", "licence",
    "license", "master", "pgp", "priv", "private", "rsa", "secret", "server", "service", "session", "shared",
    "sign", "signing", "signature", "ssh", "storage", "subscription", "symmetric", "vault", "webhook",
];
/// Companies that call their secret a key.
#[rustfmt::skip]
const COMPANIES: &[&str] = &[
    "algolia", "anthropic", "azure", "clearml", "cohere", "comet", "datadog", "dd", "deepseek", "elastic",
    "gemini", "github", "gitlab", "google", "groq", "hf", "huggingface", "mailgun", "mistral", "neptune",
    "newrelic", "nvidia", "openai", "pinecone", "rapidapi", "replicate", "sendgrid", "sentry", "stripe",
    "tavily", "together", "twilio", "wandb",
];
/// Words before a `token` of a language.
#[rustfmt::skip]
const OF_LANGUAGE: &[&str] = &[
    "audio", "begin", "bos", "by", "class", "cls", "decoder", "distill", "drop", "each", "encoder", "end",
    "eod", "eos", "eot", "every", "extra", "fim", "first", "gen", "generated", "image", "img", "input",
    "lang", "language", "last", "latent", "learnable", "learned", "mask", "masked", "max", "memory", "middle",
    "min", "multi", "n", "new", "next", "num", "one", "output", "pad", "padding", "per", "pre", "prefix",
    "prompt", "query", "reg", "register", "sep", "separator", "single", "skip", "sot", "speaker", "special",
    "start", "stop", "sub", "suffix", "summary", "target", "task", "text", "think", "tool", "unk", "unknown",
    "video", "vision", "visual", "word",
];
/// Words after the name of a secret that do not change its meaning.
#[rustfmt::skip]
const PARTS: &[&str] = &[
    "access", "b64", "base", "base64", "data", "encoded", "hash", "hex", "id", "json", "key", "keys",
    "payload", "pem", "phrase", "salt", "seed", "token", "tokens",
];
/// Suffixes that only distinguish several secrets of one kind.
#[rustfmt::skip]
const VARIANTS: &[&str] = &[
    "admin", "backup", "current", "default", "dev", "development", "live", "local", "main", "new", "old",
    "plain", "plaintext", "primary", "prod", "production", "raw", "read", "readonly", "ro", "rw", "secondary",
    "stage", "staging", "str", "string", "test", "val", "value", "write",
];
/// First words that mark a name as a switch.
#[rustfmt::skip]
const SWITCHES: &[&str] = &[
    "ask", "disable", "enable", "has", "hide", "ignore", "is", "no", "prompt", "require", "show", "skip",
    "without",
];

impl Name {
    pub(super) fn of(name: &str) -> Self {
        // `PWD` is the working directory of a shell; `pass@1` is a metric.
        if matches!(name, "PWD" | "OLDPWD") || name.contains('@') {
            return Self::Plain;
        }
        let start = (name.len().saturating_sub(MAX_NAME)..).find(|at| name.is_char_boundary(*at));
        let words = words(name.get(start.unwrap_or_default()..).unwrap_or_default());
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words.first().is_some_and(|first| words.len() > 1 && SWITCHES.contains(first)) {
            return Self::Plain;
        }
        while let [_, .., last] = words.as_slice() {
            let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number && !VARIANTS.contains(last) {
                break;
            }
            words.pop();
        }
        let anywhere = words.iter().rposition(|word| SECRETS.contains(word) || is_glued(word));
        if let Some((_, behind)) = anywhere.and_then(|at| words.get(at..)?.split_first()) {
            let is_same = behind.iter().all(|word| PARTS.contains(word));
            return if is_same { Self::Secret } else { Self::Plain };
        }
        match *words.as_slice() {
            ["pass"] => Self::Secret,
            [.., before, "pass"] if !NOT_OF_PASS.contains(&before) => Self::Secret,
            ["key"] => Self::Likely,
            [.., before, "key" | "keys"] if OF_KEY.contains(&before) => Self::Secret,
            [.., before, "key" | "keys"] if COMPANIES.contains(&before) => Self::Likely,
            [.., before, "tokens"] if OF_KEY.contains(&before) => Self::Likely,
            [.., before, "token"] if OF_LANGUAGE.contains(&before) => Self::Perhaps,
            [.., "auth" | "oauth" | "pat" | "sid" | "token"] => Self::Likely,
            [.., "auth", "header" | "data" | "string"] => Self::Secret,
            [.., "session", "id"] => Self::Perhaps,
            [.., "key" | "keys" | "session" | "sig" | "signature" | "tokens"] => Self::Perhaps,
            [.., last] => glued_token(last),
            [] => Self::Plain,
        }
    }

    /// Whether `value` is hidden, given how likely its name makes it a secret.
    pub(super) fn hides(self, value: &str) -> bool {
        let value = value.trim();
        let is_said = !value.is_empty() && !is_switch(value);
        match self {
            Self::Plain => false,
            Self::Perhaps => is_said && looks_random(value),
            Self::Likely => is_said && !is_number(value),
            Self::Secret => is_said,
        }
    }
}

/// The words of a name, in lower case. `awsSecretKey`, `AWS_SECRET_KEY` and `--aws-secret-key` have
/// the same words. Digits at the end of a word are dropped, as in `password2`.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in name.split(|c: char| !c.is_alphanumeric()) {
        let mut start = 0;
        let mut chars = part.char_indices().peekable();
        let mut before = None;
        while let Some((at, c)) = chars.next() {
            let next_is_lower = chars.peek().is_some_and(|(_, next)| next.is_lowercase());
            // `accessToken`, and the K of `APIKey`.
            let is_start = before.is_some_and(|before: char| {
                c.is_uppercase() && (!before.is_uppercase() || next_is_lower)
            });
            if is_start {
                words.extend(part.get(start..at).map(str::to_lowercase));
                start = at;
            }
            before = Some(c);
        }
        words.extend(part.get(start..).map(str::to_lowercase));
    }
    words.retain(|word| !word.is_empty());
    for word in &mut words {
        let kept = word.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        if kept > 0 {
            word.truncate(kept);
        }
    }
    words
}

/// Whether a word ends with a secret, written as one word.
fn is_glued(word: &str) -> bool {
    let ends = |end: &str, before: &[&str]| {
        word.strip_suffix(end).is_some_and(|start| before.contains(&start))
    };
    ENDS.iter().any(|end| word.ends_with(end)) || ends("pass", OF_PASS) || ends("key", OF_KEY)
}

fn glued_token(word: &str) -> Name {
    match word.strip_suffix("token") {
        Some(before) if OF_LANGUAGE.contains(&before) => Name::Perhaps,
        Some(_) => Name::Likely,
        None => Name::Plain,
    }
}

/// Whether a value only means yes, no or nothing; or is already hidden.
fn is_switch(value: &str) -> bool {
    const SWITCHES: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "none", "null", "nil"];
    SWITCHES.iter().any(|switch| value.eq_ignore_ascii_case(switch))
        || value == super::SECRET
        || value.bytes().all(|byte| byte == b'*')
}

/// Whether a value is a number as in training parameters; longer numbers are codes.
fn is_number(value: &str) -> bool {
    value.len() <= 8 && value.parse::<f64>().is_ok()
}

/// Whether a value looks random: letters of both cases and digits without a break. Hex is more
/// often a digest or an id than a secret.
fn looks_random(value: &str) -> bool {
    let has = |is: fn(&u8) -> bool| value.as_bytes().iter().any(is);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
    value.len() >= 20
        && value.bytes().all(is_token)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_word_by_word() {
        for (names, expected) in [
            (
                "password Password DB_PASSWORD PGPASSWORD mysqlPwd --pass DB_PASS sshpass pwd user.pwd \
                 passphrase awsSecretAccessKey AWS_SECRET_ACCESS_KEY privateKey APIKey api_keys apikey \
                 client-secret SECRET_KEY_BASE password2 DB_PASSWORD_PROD secret_id Authorization Set-Cookie \
                 credentials ssh_key auth_header requirepass sessionid passwordHash +db.password -Ddb.password",
                Name::Secret,
            ),
            (
                "token --token hf_token accessToken HFTOKEN token_2 key auth --basic-auth oauth WANDB_KEY \
                 GITHUB_PAT access_tokens use_auth_token",
                Name::Likely,
            ),
            (
                "sort_key STRIPE_LIVE_KEYS pad_token eosToken subtoken tokens my_tokens sig",
                Name::Perhaps,
            ),
            (
                "tokenizer max_tokens_per_batch monkey keyboard passes compass bypass num_passes key_dim \
                 n_keys_total author authority secretary_dataset secret_name password_file token_id pad_token_id \
                 forward_pass pass_rate pass@1 --no-password skip_auth PWD OLDPWD patience path compare \
                 passenger keypoints cookie-jar SSH_AUTH_SOCK lowpass tokenization surpass",
                Name::Plain,
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(Name::of(name), expected, "{name}");
            }
        }
        assert_eq!(Name::of(&"x_".repeat(1 << 20)), Name::Plain);
        assert_eq!(Name::of(&format!("{}_password", "é".repeat(200))), Name::Secret);
        assert_eq!(Name::of(""), Name::Plain);
    }

    #[test]
    fn values_that_cannot_be_secrets_are_not_hidden() {
        for value in ["", " ", "true", "False", "none", "(secret)", "****"] {
            assert!(!Name::Secret.hides(value), "{value:?}");
        }
        assert!(
            Name::Secret.hides("1234")
                && !Name::Likely.hides("1234")
                && !Name::Likely.hides("1e-3")
        );
        assert!(Name::Likely.hides("123456789012") && Name::Likely.hides("abc"));
        let (random, digest) = ("aB3dE6gH9jK2mN5pQ8sT", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert!(Name::Perhaps.hides(random) && !Name::Plain.hides(random));
        assert!(
            !Name::Perhaps.hides(digest)
                && !Name::Perhaps.hides("val/loss")
                && !Name::Perhaps.hides("[PAD]")
        );
    }
}
