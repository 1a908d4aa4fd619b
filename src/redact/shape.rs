//! Recognizes tokens by their form.
//!
//! Source: the forms that vendors document, as collected by gitleaks and GitHub's secret scanning.
//! Real tokens are longer than required here.

/// Prefixes that only tokens have.
#[rustfmt::skip]
const CLEAR: &[&str] = &[
    // GitHub, GitLab, Atlassian
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-",
    "glft-", "glsoat-", "gloas-", "glagent-", "ATATT3", "ATCTT3",
    // Models and clouds
    "sk-ant-", "sk-proj-", "sk-or-v1-", "sk-svcacct-", "nvapi-", "wandb_v1_", "gsk_", "tvly-", "GOCSPX-",
    "ya29.", "AIzaSy", "dop_v1_", "doo_v1_", "dckr_pat_", "dckr_oat_", "hvs.", "hvb.", "hvr.", "HRKU-",
    // Money, mail, chat, tools
    "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "shpat_", "shpss_", "sq0atp-", "sq0csp-", "SG.",
    "xoxa-", "xoxb-", "xoxe-", "xoxe.", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "lin_api_", "figd_",
    "glsa_", "PMAK-", "NRAK-", "sntrys_", "sntryu_", "rubygems_", "AGE-SECRET-KEY-1",
];
/// Minimum number of characters after these prefixes.
const MIN_CLEAR: usize = 8;

/// Prefixes that words may have, too: `sk-learn`, `hf_hub`.
const LIKE_WORDS: &[&str] =
    &["hf_", "api_org_", "sk-", "npm_", "pypi-", "r8_", "pplx-", "xai-", "AIza", "ATBB"];
/// Minimum number of letters and digits right after these prefixes that do not form a word.
const MIN_LIKE_WORDS: usize = 10;

/// Prefixes of Amazon's access key ids, which consist of capitals and digits.
const AMAZON: &[&str] = &["AKIA", "ASIA", "ABIA", "ACCA"];
/// Minimum number of characters after these prefixes.
const MIN_AMAZON: usize = 12;

/// The start of a JSON Web Token: `{"` in base64.
const WEB_TOKEN: &str = "eyJ";
/// Minimum number of characters of a JSON Web Token, in two or three parts.
const MIN_WEB_TOKEN: usize = 20;

/// The length of the token at the start of `text`; `None` if there is no token.
pub(super) fn token(text: &str) -> Option<usize> {
    let run = |from: &str, is_in: fn(char) -> bool| {
        let rest = text.strip_prefix(from)?;
        rest.split(|c| !is_in(c)).next()
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_dotted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    if let Some(body) = run(WEB_TOKEN, is_dotted) {
        let len = WEB_TOKEN.len() + body.trim_end_matches('.').len();
        return (body.contains('.') && len >= MIN_WEB_TOKEN).then_some(len);
    }
    for start in CLEAR {
        if let Some(body) = run(start, is_dotted).filter(|body| body.len() >= MIN_CLEAR) {
            return Some(start.len() + body.trim_end_matches('.').len());
        }
    }
    for start in LIKE_WORDS {
        let first = run(start, |c| c.is_ascii_alphanumeric());
        if first.is_some_and(|first| first.len() >= MIN_LIKE_WORDS && is_no_word(first)) {
            return Some(start.len() + run(start, is_word)?.len());
        }
    }
    let amazon = AMAZON.iter().find_map(|start| run(start, is_capital));
    let amazon = amazon.filter(|body| body.len() >= MIN_AMAZON);
    amazon.map(|body| body.len() + 4)
}

/// Whether a text contains capitals or several digits.
fn is_no_word(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
        || text.bytes().filter(u8::is_ascii_digit).count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_where_they_end() {
        for (text, expected) in [
            ("ghp_0123456789abcdef, and", "ghp_0123456789abcdef"),
            ("hf_AbCdEfGhIjKlMnOp\"", "hf_AbCdEfGhIjKlMnOp"),
            ("AKIAIOSFODNN7EXAMPLE/2024", "AKIAIOSFODNN7EXAMPLE"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x-_9. ",
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x-_9",
            ),
            ("pypi-AgEIcHlwaS5vcmc_x-y z", "pypi-AgEIcHlwaS5vcmc_x-y"),
        ] {
            assert_eq!(token(text), Some(expected.len()), "{text}");
        }
        for text in [
            "hf_transformers",
            "sk-learn-1.2.3",
            "npm_config_registry",
            "ASIA",
            "eyJ",
            "SG.1",
            "é",
            "",
        ] {
            assert_eq!(token(text), None, "{text}");
        }
    }
}
