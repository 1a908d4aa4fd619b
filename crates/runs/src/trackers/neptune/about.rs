//! Which of Neptune's objects attributes belong to.

use serde_json::{Map, Value};

/// The kind of an object that has attributes (`ContainerType` in `neptune/internal/container_type.py`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ObjectKind {
    #[default]
    Run,
    Model,
    ModelVersion,
    Project,
}

impl ObjectKind {
    /// Its name in Neptune, which becomes the role of the run that holds its attributes. A run has none.
    pub(super) fn role(self) -> Option<&'static str> {
        match self {
            Self::Run => None,
            Self::Model => Some("model"),
            Self::ModelVersion => Some("model_version"),
            Self::Project => Some("project"),
        }
    }

    /// The kind that a client's `metadata.json` names; runs by default, as in old ones.
    pub(super) fn parse(name: &str) -> Self {
        match name {
            "model" => Self::Model,
            "model_version" => Self::ModelVersion,
            "project" => Self::Project,
            _ => Self::Run,
        }
    }
}

/// Facts about a run, a model, a version of a model or a project, except its attributes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct About {
    pub(super) kind: ObjectKind,
    /// The name of its project, if the source says it.
    pub(super) project: Option<String>,
    /// Its id, unique in its project: one that the user gave it, such as `run-1`, or Neptune's own, such as
    /// `TBX-7`.
    pub(super) id: String,
    /// Neptune's own id, by which a fork may name its parent.
    pub(super) other_id: Option<String>,
    /// Name for people, as far as it is known without the attributes.
    pub(super) name: Option<String>,
    /// The project and the id of the run that it was forked from.
    pub(super) parent: Option<(Option<String>, String)>,
    /// The last step that a fork has from its parent.
    pub(super) fork_step: Option<f64>,
    /// Creation time in seconds since the Unix epoch.
    pub(super) created: Option<f64>,
    /// When it said that it had failed, in seconds since the Unix epoch.
    pub(super) failed_at: Option<f64>,
    /// Whether nothing will be added: the source is an export of a run that had ended.
    pub(super) is_over: bool,
    /// Whether it is in the trash.
    pub(super) is_deleted: bool,
    /// The way in which Neptune stored it: `export`, `client` or `scale`.
    pub(super) format: &'static str,
    /// The operating system, and the version of Python.
    pub(super) os: Option<String>,
    pub(super) python: Option<String>,
    /// Facts for which tbx has no field.
    pub(super) facts: Map<String, Value>,
}

impl About {
    /// An identifier that is unique in the source: ids that users gave are unique in their project only.
    pub(super) fn unique_id(&self) -> String {
        unique_id(self.project.as_deref(), &self.id)
    }

    /// The unique identifier of the parent.
    pub(super) fn parent_id(&self) -> Option<String> {
        let (project, id) = self.parent.as_ref()?;
        let project = project.as_ref().filter(|name| !name.is_empty()).or(self.project.as_ref());
        Some(unique_id(project.map(String::as_str), id))
    }
}

fn unique_id(project: Option<&str>, id: &str) -> String {
    match project {
        Some(project) => format!("{project}/{id}"),
        None => id.to_owned(),
    }
}
