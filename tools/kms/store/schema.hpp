// The schema, once for each of the two. An entry of the list brings the schema from one version to the next; entries that were
// released are never changed. Times are milliseconds since 1970, UTC; states and origins are AWS's words.
#pragma once

#include <array>

namespace kms::sql {

inline constexpr std::array<const char*, 1> kSqliteSchema = {R"sql(
CREATE TABLE custom_key_stores(
  id TEXT NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  created INTEGER NOT NULL,
  state TEXT NOT NULL,
  failure TEXT NOT NULL,
  xks_endpoint TEXT NOT NULL,
  xks_path TEXT NOT NULL,
  connectivity TEXT NOT NULL,
  access_key_id TEXT NOT NULL,
  trusted_certificates TEXT NOT NULL,
  root_key TEXT NOT NULL,
  iv BLOB NOT NULL,
  ciphertext BLOB NOT NULL,
  tag BLOB NOT NULL,
  revision INTEGER NOT NULL,
  seal BLOB NOT NULL,
  UNIQUE (account, name)) STRICT;
CREATE TABLE keys(
  id TEXT NOT NULL PRIMARY KEY,
  account TEXT NOT NULL,
  created INTEGER NOT NULL,
  description TEXT NOT NULL,
  key_spec TEXT NOT NULL,
  key_usage TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('AWS_KMS', 'EXTERNAL_KEY_STORE')),
  state TEXT NOT NULL CHECK (state IN ('Enabled', 'Disabled', 'PendingDeletion', 'Unavailable')),
  deletion INTEGER,
  policy TEXT NOT NULL,
  custom_key_store TEXT REFERENCES custom_key_stores(id),
  xks_key TEXT,
  public_key BLOB NOT NULL,
  revision INTEGER NOT NULL,
  seal BLOB NOT NULL,
  CHECK ((state = 'PendingDeletion') = (deletion IS NOT NULL)),
  UNIQUE (custom_key_store, xks_key)) STRICT;
CREATE INDEX keys_of_account ON keys(account, id);
CREATE INDEX keys_to_delete ON keys(deletion) WHERE deletion IS NOT NULL;
CREATE TABLE key_material(
  key TEXT NOT NULL REFERENCES keys(id) ON DELETE CASCADE,
  version INTEGER NOT NULL CHECK (version > 0),
  root_key TEXT NOT NULL,
  iv BLOB NOT NULL,
  ciphertext BLOB NOT NULL,
  tag BLOB NOT NULL,
  PRIMARY KEY (key, version)) STRICT;
CREATE TABLE aliases(
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  target TEXT NOT NULL REFERENCES keys(id) ON DELETE CASCADE,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  seal BLOB NOT NULL,
  PRIMARY KEY (account, name)) STRICT;
CREATE INDEX aliases_of_key ON aliases(target);
CREATE TABLE store_keys(
  name TEXT NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  root_key TEXT NOT NULL,
  iv BLOB NOT NULL,
  ciphertext BLOB NOT NULL,
  tag BLOB NOT NULL) STRICT;
CREATE TABLE audit(
  sequence INTEGER NOT NULL PRIMARY KEY CHECK (sequence > 0),
  time INTEGER NOT NULL,
  principal TEXT NOT NULL,
  operation TEXT NOT NULL,
  key TEXT NOT NULL,
  outcome TEXT NOT NULL,
  request TEXT NOT NULL,
  recipient_pcr0 TEXT,
  detail TEXT NOT NULL,
  hash BLOB NOT NULL,
  seal BLOB NOT NULL) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
CREATE TABLE audit_head(
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL,
  seal BLOB NOT NULL) STRICT;
)sql"};

// Identifiers are ordered by their bytes (COLLATE "C"), as SQLite orders them.
inline constexpr std::array<const char*, 1> kPostgresqlSchema = {R"sql(
CREATE TABLE custom_key_stores(
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  type TEXT NOT NULL,
  created BIGINT NOT NULL,
  state TEXT NOT NULL,
  failure TEXT NOT NULL,
  xks_endpoint TEXT NOT NULL,
  xks_path TEXT NOT NULL,
  connectivity TEXT NOT NULL,
  access_key_id TEXT NOT NULL,
  trusted_certificates TEXT NOT NULL,
  root_key TEXT NOT NULL,
  iv BYTEA NOT NULL,
  ciphertext BYTEA NOT NULL,
  tag BYTEA NOT NULL,
  revision BIGINT NOT NULL,
  seal BYTEA NOT NULL,
  UNIQUE (account, name));
CREATE TABLE keys(
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account TEXT COLLATE "C" NOT NULL,
  created BIGINT NOT NULL,
  description TEXT NOT NULL,
  key_spec TEXT NOT NULL,
  key_usage TEXT NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('AWS_KMS', 'EXTERNAL_KEY_STORE')),
  state TEXT NOT NULL CHECK (state IN ('Enabled', 'Disabled', 'PendingDeletion', 'Unavailable')),
  deletion BIGINT,
  policy TEXT NOT NULL,
  custom_key_store TEXT COLLATE "C" REFERENCES custom_key_stores(id),
  xks_key TEXT COLLATE "C",
  public_key BYTEA NOT NULL,
  revision BIGINT NOT NULL,
  seal BYTEA NOT NULL,
  CHECK ((state = 'PendingDeletion') = (deletion IS NOT NULL)),
  UNIQUE (custom_key_store, xks_key));
CREATE INDEX keys_of_account ON keys(account, id);
CREATE INDEX keys_to_delete ON keys(deletion) WHERE deletion IS NOT NULL;
CREATE TABLE key_material(
  key TEXT COLLATE "C" NOT NULL REFERENCES keys(id) ON DELETE CASCADE,
  version BIGINT NOT NULL CHECK (version > 0),
  root_key TEXT NOT NULL,
  iv BYTEA NOT NULL,
  ciphertext BYTEA NOT NULL,
  tag BYTEA NOT NULL,
  PRIMARY KEY (key, version));
CREATE TABLE aliases(
  account TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  target TEXT COLLATE "C" NOT NULL REFERENCES keys(id) ON DELETE CASCADE,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  seal BYTEA NOT NULL,
  PRIMARY KEY (account, name));
CREATE INDEX aliases_of_key ON aliases(target);
CREATE TABLE store_keys(
  name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL,
  root_key TEXT NOT NULL,
  iv BYTEA NOT NULL,
  ciphertext BYTEA NOT NULL,
  tag BYTEA NOT NULL);
CREATE TABLE audit(
  sequence BIGINT NOT NULL PRIMARY KEY CHECK (sequence > 0),
  time BIGINT NOT NULL,
  principal TEXT NOT NULL,
  operation TEXT NOT NULL,
  key TEXT NOT NULL,
  outcome TEXT NOT NULL,
  request TEXT NOT NULL,
  recipient_pcr0 TEXT,
  detail TEXT NOT NULL,
  hash BYTEA NOT NULL,
  seal BYTEA NOT NULL);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the audit log is only appended to'; END $$;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TABLE audit_head(
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  sequence BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  seal BYTEA NOT NULL);
)sql"};

}  // namespace kms::sql
