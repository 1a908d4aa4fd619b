//! Names of image artifacts with a step (`mlflow/tracking/client.py`, `log_image`).

/// Separators of the parts of names: those of MLflow 2 and the first releases of MLflow 3, and
/// those of later releases.
const SEPARATORS: [char; 2] = ['%', '+'];

/// The name of an image or of its small copy: `images/KEY+step+N+timestamp+MS+ID.png`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ImageName<'a> {
    pub(crate) tag: String,
    pub(crate) step: i64,
    /// Milliseconds since the Unix epoch.
    pub(crate) timestamp: i64,
    pub(crate) id: &'a str,
}

impl<'a> ImageName<'a> {
    /// The facts in the name of the artifact at `path`, if it is an image with a step.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        let name = path.strip_prefix("images/")?;
        SEPARATORS.into_iter().find_map(|separator| {
            let small = name.strip_suffix(".webp").and_then(|name| {
                name.strip_suffix("compressed").and_then(|name| name.strip_suffix(separator))
            });
            let words = small.or_else(|| name.strip_suffix(".png"))?;
            let mut words = words.rsplitn(6, separator);
            let id = words.next()?;
            let (timestamp, "timestamp") = (words.next()?.parse().ok()?, words.next()?) else {
                return None;
            };
            let (step, "step") = (words.next()?.parse().ok()?, words.next()?) else { return None };
            let key = words.next()?;
            // `/` is `#`, and `~` since some release of MLflow 3.
            let tag = match separator {
                '%' => key.replace('#', "/"),
                _ => key.replace(['~', '#'], "/"),
            };
            Some(Self { tag, step, timestamp, id })
        })
    }

    /// The current form of this name, for the artifact at `path`.
    pub(crate) fn modern(&self, path: &str) -> String {
        let Self { tag, step, timestamp, id } = self;
        let key = tag.replace('/', "~");
        let end = if path.ends_with(".png") { ".png" } else { "+compressed.webp" };
        format!("images/{key}+step+{step}+timestamp+{timestamp}+{id}{end}")
    }
}
