-- An MLflow database with one run: the tables that an import reads most.
PRAGMA page_size = 1024;
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT, artifact_location TEXT,
    lifecycle_stage TEXT);
CREATE TABLE runs (run_uuid TEXT, name TEXT, user_id TEXT, status TEXT, start_time BIGINT,
    end_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT, experiment_id INTEGER);
CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT,
    is_nan BOOLEAN);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE registered_models (name TEXT, creation_time BIGINT, last_updated_time BIGINT,
    description TEXT);
CREATE TABLE model_versions (name TEXT, version INTEGER, creation_time BIGINT,
    last_updated_time BIGINT, description TEXT, current_stage TEXT, source TEXT, run_id TEXT);
INSERT INTO experiments VALUES (1, 'e', '', 'active');
INSERT INTO runs VALUES ('0123456789abcdef0123456789abcdef', 'r', 'me', 'FINISHED', 1700000000000,
    1700000001000, 'active', '', 1);
INSERT INTO metrics VALUES ('loss', 0.5, 1700000000000, '0123456789abcdef0123456789abcdef', 0, 0);
INSERT INTO params VALUES ('lr', '0.1', '0123456789abcdef0123456789abcdef');
INSERT INTO tags VALUES ('stage', 'dev', '0123456789abcdef0123456789abcdef');
INSERT INTO registered_models VALUES ('m', 1700000000000, 1700000000000, 'a model');
INSERT INTO model_versions VALUES ('m', 1, 1700000000000, 1700000000000, '', 'None', '',
    '0123456789abcdef0123456789abcdef');
