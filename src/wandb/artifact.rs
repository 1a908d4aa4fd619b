//! Artifacts: named and versioned sets of files.

/// An artifact that the run produced.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Artifact {
    /// The run that logged it.
    #[prost(string, tag = "1")]
    pub run_id: String,
    /// The project.
    #[prost(string, tag = "2")]
    pub project: String,
    /// The user or the team.
    #[prost(string, tag = "3")]
    pub entity: String,
    /// The type, such as `model` or `dataset`.
    #[prost(string, tag = "4")]
    pub r#type: String,
    /// The name.
    #[prost(string, tag = "5")]
    pub name: String,
    /// The digest of its manifest.
    #[prost(string, tag = "6")]
    pub digest: String,
    /// The description.
    #[prost(string, tag = "7")]
    pub description: String,
    /// Metadata as JSON.
    #[prost(string, tag = "8")]
    pub metadata: String,
    /// Whether the program created it, rather than the package itself.
    #[prost(bool, tag = "9")]
    pub user_created: bool,
    /// Whether the run also uses it.
    #[prost(bool, tag = "10")]
    pub use_after_commit: bool,
    /// Aliases of the version.
    #[prost(string, repeated, tag = "11")]
    pub aliases: Vec<String>,
    /// Its files.
    #[prost(message, optional, tag = "12")]
    pub manifest: Option<Manifest>,
    /// Whether the version is complete.
    #[prost(bool, tag = "14")]
    pub finalize: bool,
    /// Identifies the version before a server has given it a number.
    #[prost(string, tag = "15")]
    pub client_id: String,
    /// Identifies the artifact before a server knows it.
    #[prost(string, tag = "16")]
    pub sequence_client_id: String,
    /// Seconds after which a server removes it.
    #[prost(int64, tag = "18")]
    pub ttl_duration_seconds: i64,
    /// Tags of the version.
    #[prost(string, repeated, tag = "19")]
    pub tags: Vec<String>,
    /// How the digest is made. New in 0.31.
    #[prost(string, tag = "20")]
    pub digest_algorithm: String,
}

/// The files of an artifact.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Manifest {
    /// The version of the form: 1.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// How files are kept: `wandb-storage-policy-v1`.
    #[prost(string, tag = "2")]
    pub storage_policy: String,
    /// Settings of the policy.
    #[prost(message, repeated, tag = "3")]
    pub storage_policy_config: Vec<PolicyItem>,
    /// The files.
    #[prost(message, repeated, tag = "4")]
    pub contents: Vec<ManifestEntry>,
    /// A file with the manifest, instead of `contents`.
    #[prost(string, tag = "5")]
    pub manifest_file_path: String,
}

/// A setting of a policy.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PolicyItem {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value as JSON.
    #[prost(string, tag = "2")]
    pub value_json: String,
}

/// A file of an artifact.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ManifestEntry {
    /// Its path in the artifact.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Its MD5 in Base64; for a reference, what the other store gives.
    #[prost(string, tag = "2")]
    pub digest: String,
    /// The URL of a file that is kept elsewhere.
    #[prost(string, tag = "3")]
    pub r#ref: String,
    /// Its size in bytes.
    #[prost(int64, tag = "4")]
    pub size: i64,
    /// Its media type.
    #[prost(string, tag = "5")]
    pub mimetype: String,
    /// Its absolute path on the machine that logged it.
    #[prost(string, tag = "6")]
    pub local_path: String,
    /// The artifact that first had it.
    #[prost(string, tag = "7")]
    pub birth_artifact_id: String,
    /// Further facts.
    #[prost(message, repeated, tag = "16")]
    pub extra: Vec<PolicyItem>,
}

/// An artifact that the run used.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UseArtifact {
    /// Its identifier.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its type.
    #[prost(string, tag = "2")]
    pub r#type: String,
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
}
