// Custom key stores: customers' key managers behind an XKS proxy.
#include <array>

#include "tools/kms/call.hpp"
#include "tools/kms/errors.hpp"

namespace kms {
namespace {

constexpr std::array kDisconnectedOnly{ConnectionState::kDisconnected};
constexpr std::array kAnyButDisconnected{ConnectionState::kConnecting, ConnectionState::kConnected, ConnectionState::kDisconnecting,
                                         ConnectionState::kFailed};
constexpr std::array kConnectedOrNot{ConnectionState::kDisconnected, ConnectionState::kConnected};

bool only_of(std::string_view text, std::string_view also) {
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && also.find(c) == std::string_view::npos) return false;
  }
  return true;
}

// XKS proxy API v1, "URI path prefix" and its bounds.
void check_path(const std::string& path) {
  if (!path.starts_with('/') || !path.ends_with("/kms/xks/v1") || path.size() > 128 || !only_of(path, "/_-")) {
    throw validation("xksProxyUriPath", "Member must satisfy regular expression pattern: ^(/[a-zA-Z0-9/_-]+/kms/xks/v1)$|^(/kms/xks/v1)$");
  }
}
void check_endpoint(const std::string& endpoint) {
  constexpr std::string_view kScheme = "https://";
  if (!endpoint.starts_with(kScheme) || endpoint.size() == kScheme.size() || !only_of(std::string_view(endpoint).substr(8), ".-:")) {
    throw validation("xksProxyUriEndpoint", "Member must satisfy regular expression pattern: ^https://[a-zA-Z0-9.-]+(:[0-9]+)?$");
  }
}

struct Credential {
  std::string access_key_id, secret;
};
Credential credential_in(const Fields& fields) {
  Credential credential{fields.required_text("AccessKeyId", 20, 30), fields.required_text("RawSecretAccessKey", 43, 64)};
  for (const char c : credential.access_key_id) {
    if (!((c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7'))) {
      throw validation("xksProxyAuthenticationCredential.accessKeyId", "Member must satisfy regular expression pattern: [A-Z2-7]+");
    }
  }
  if (!only_of(credential.secret, "/+=")) {
    throw validation("xksProxyAuthenticationCredential.rawSecretAccessKey", "Member must satisfy regular expression pattern: [a-zA-Z0-9/+=]+");
  }
  return credential;
}

std::string new_store_id() {
  return "cks-" + cofferdam::to_hex(cryptography::random_bytes(9)).substr(0, 17);
}

CustomKeyStoreRecord store_in_request(Call& call) {
  const std::string id = call.fields.required_text("CustomKeyStoreId", 1, 64);
  call.event.key = id;
  std::optional<CustomKeyStoreRecord> store = call.parts.store.find_custom_key_store({id});
  if (!store) throw KmsError(ErrorName::kCustomKeyStoreNotFound, "there is no custom key store " + id);
  return *std::move(store);
}

void done_or_throw(Call& call, Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone: call.in_the_log = true; return;
    case Outcome::kNotFound: throw KmsError(ErrorName::kCustomKeyStoreNotFound, "the custom key store does not exist");
    case Outcome::kAlreadyExists:
      throw KmsError(ErrorName::kCustomKeyStoreNameInUse, "another custom key store of the account has this name");
    case Outcome::kInUse:
      throw KmsError(ErrorName::kCustomKeyStoreHasCmks, "there are keys in the custom key store: delete them first");
    case Outcome::kConflict: throw Outdated();
    case Outcome::kWrongState:
      throw KmsError(ErrorName::kCustomKeyStoreInvalidState, "the custom key store's connection state does not allow this");
  }
}

// Of a change that sets the URI of a store's proxy.
void placed_or_throw(Call& call, Outcome outcome) {
  if (outcome == Outcome::kInUse) {
    throw KmsError(ErrorName::kXksProxyUriInUse, "another custom key store has the proxy of this XksProxyUriEndpoint and XksProxyUriPath");
  }
  done_or_throw(call, outcome);
}

// AWS's other kinds of proxies and stores.
void check_kind(const Fields& fields, bool needed) {
  const std::optional<std::string> connectivity = fields.word("XksProxyConnectivity", {"PUBLIC_ENDPOINT", "VPC_ENDPOINT_SERVICE"});
  if (!connectivity && needed) throw validation("xksProxyConnectivity", "Member must not be null");
  if (connectivity && *connectivity != "PUBLIC_ENDPOINT") {
    throw KmsError(ErrorName::kUnsupportedOperation, "XksProxyConnectivity must be PUBLIC_ENDPOINT");
  }
  for (const char* member : {"CloudHsmClusterId", "KeyStorePassword", "TrustAnchorCertificate", "XksProxyVpcEndpointServiceName",
                             "XksProxyVpcEndpointServiceOwner"}) {
    if (fields.text(member, 0, 8192).value_or("").empty()) continue;
    throw KmsError(ErrorName::kUnsupportedOperation, std::string(member) + " is not offered here");
  }
}

// AuditEvent::detail: what a request sets of a store's. The secret isn't among it.
void note_settings(Call& call, const std::optional<std::string>& endpoint, const std::optional<std::string>& path,
                   const std::optional<std::string>& access_key_id, const std::optional<std::string>& name) {
  const auto note = [&call](std::string_view what, const std::optional<std::string>& value) {
    if (value) call.event.detail += (call.event.detail.empty() ? "" : ", ") + std::string(what) + " " + *value;
  };
  note("endpoint", endpoint);
  note("path", path);
  note("access key id", access_key_id);
  note("name", name);
}

ProxyRequest health_request(const Call& call) { return {call.caller.arn, "", call.operation, call.request_id}; }

// AWS's ConnectionErrorCode for what the proxy said.
std::string connection_error(const KmsError& error) {
  switch (error.name()) {
    case ErrorName::kXksProxyIncorrectAuthenticationCredential: return "INVALID_CREDENTIALS";
    case ErrorName::kXksProxyInvalidResponse: return "XKS_PROXY_INVALID_RESPONSE";
    case ErrorName::kXksProxyInvalidConfiguration: return "XKS_PROXY_INVALID_CONFIGURATION";
    case ErrorName::kXksProxyUriUnreachable: return "XKS_PROXY_NOT_REACHABLE";
    default: return "XKS_PROXY_ACCESS_DENIED";
  }
}

Json described(const CustomKeyStoreRecord& store) {
  Json data = {{"CustomKeyStoreId", store.id.text},
               {"CustomKeyStoreName", store.name},
               {"CustomKeyStoreType", store.type},
               {"ConnectionState", text_of(store.state)},
               {"CreationDate", epoch_seconds(store.created)},
               {"XksProxyConfiguration",
                {{"Connectivity", store.connectivity},
                 {"UriEndpoint", store.xks_endpoint},
                 {"UriPath", store.xks_path},
                 {"AccessKeyId", store.access_key_id}}}};
  if (store.state == ConnectionState::kFailed) data["ConnectionErrorCode"] = store.failure;
  return data;
}

}  // namespace

ProxyAccess proxy_of(Call& call, const CustomKeyStoreRecord& store) {
  const cryptography::SecretBytes secret =
      call.parts.wrapping.unwrap(Purpose::kProxyCredential, store.id.text, 1, store.secret_access_key);
  return {store.xks_endpoint, store.xks_path, store.access_key_id, std::string(cofferdam::as_text(secret.view())),
          store.trusted_certificates};
}

ProxyAccess proxy_of(Call& call, const KeyRecord& key) {
  std::optional<CustomKeyStoreRecord> store;
  if (key.custom_key_store) store = call.parts.store.find_custom_key_store(*key.custom_key_store);
  if (!store || store->state != ConnectionState::kConnected) {
    throw KmsError(ErrorName::kInvalidState, "The custom key store of " + key_arn(call.parts.place, key.id.text) + " is not connected.");
  }
  return proxy_of(call, *store);
}

Json create_custom_key_store(Call& call) {
  authorize_account(call, "CreateCustomKeyStore");
  const Fields& fields = call.fields;
  CustomKeyStoreRecord store;
  store.id.text = new_store_id();
  store.account = call.parts.place.account;
  store.created = call.now;
  store.name = fields.required_text("CustomKeyStoreName", 1, 256);
  const std::string type = fields.word("CustomKeyStoreType", {"AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"}).value_or("AWS_CLOUDHSM");
  if (type != "EXTERNAL_KEY_STORE") {
    throw KmsError(ErrorName::kUnsupportedOperation, "custom key stores here have the type EXTERNAL_KEY_STORE");
  }
  check_kind(fields, true);
  store.xks_endpoint = fields.required_text("XksProxyUriEndpoint", 10, 128);
  check_endpoint(store.xks_endpoint);
  store.xks_path = fields.required_text("XksProxyUriPath", 10, 128);
  check_path(store.xks_path);
  const std::optional<Fields> credential_fields = fields.object("XksProxyAuthenticationCredential");
  if (!credential_fields) throw validation("xksProxyAuthenticationCredential", "Member must not be null");
  const Credential credential = credential_in(*credential_fields);
  store.access_key_id = credential.access_key_id;
  store.trusted_certificates = call.parts.xks_authorities;
  store.secret_access_key =
      call.parts.wrapping.wrap(Purpose::kProxyCredential, store.id.text, 1, cofferdam::as_bytes(credential.secret));
  call.event.key = store.id.text;
  note_settings(call, store.xks_endpoint, store.xks_path, store.access_key_id, store.name);
  call.parts.external.check_health(proxy_of(call, store), health_request(call));
  placed_or_throw(call, call.parts.store.create_custom_key_store(store, call.event));
  return {{"CustomKeyStoreId", store.id.text}};
}

// AWS connects in the background; here the proxy answers within its 250 ms or the store is FAILED when this returns.
Json connect_custom_key_store(Call& call) {
  authorize_account(call, "ConnectCustomKeyStore");
  const CustomKeyStoreRecord store = store_in_request(call);
  if (store.state == ConnectionState::kConnected) return Json::object();
  if (store.state != ConnectionState::kDisconnected) {
    throw KmsError(ErrorName::kCustomKeyStoreInvalidState, "the custom key store must be disconnected first");
  }
  CustomKeyStoreChange change;
  change.only_revision = store.revision;  // what is asked for its health is what is connected
  change.state = ConnectionState::kConnected;
  change.failure = "";
  try {
    call.parts.external.check_health(proxy_of(call, store), health_request(call));
  } catch (const KmsError& error) {
    change.state = ConnectionState::kFailed;
    change.failure = connection_error(error);
    call.event.detail = *change.failure;
  }
  done_or_throw(call, call.parts.store.change_custom_key_store(store.id, kDisconnectedOnly, change, call.event));
  return Json::object();
}

Json disconnect_custom_key_store(Call& call) {
  authorize_account(call, "DisconnectCustomKeyStore");
  const CustomKeyStoreRecord store = store_in_request(call);
  CustomKeyStoreChange change;
  change.state = ConnectionState::kDisconnected;
  change.failure = "";
  done_or_throw(call, call.parts.store.change_custom_key_store(store.id, kAnyButDisconnected, change, call.event));
  return Json::object();
}

Json describe_custom_key_stores(Call& call) {
  authorize_account(call, "DescribeCustomKeyStores");
  const std::optional<std::string> id = call.fields.text("CustomKeyStoreId", 1, 64);
  const std::optional<std::string> name = call.fields.text("CustomKeyStoreName", 1, 256);
  if (id && name) throw KmsError(ErrorName::kValidation, "Specify CustomKeyStoreId or CustomKeyStoreName, not both.");
  Json stores = Json::array();
  if (id) {
    stores.push_back(described(store_in_request(call)));
    return {{"CustomKeyStores", std::move(stores)}, {"Truncated", false}};
  }
  PageRequest asked = page_request(call, 100, 1000);
  Page<CustomKeyStoreRecord> page;
  do {
    page = call.parts.store.list_custom_key_stores(call.parts.place.account, asked.after, asked.limit);
    for (const CustomKeyStoreRecord& store : page.records) {
      if (!name || store.name == *name) stores.push_back(described(store));
    }
    if (!page.records.empty()) asked.after = page.records.back().id.text;
  } while (name && stores.empty() && page.more);
  if (name && stores.empty()) throw KmsError(ErrorName::kCustomKeyStoreNotFound, "there is no custom key store of this name");
  Json answer = {{"CustomKeyStores", std::move(stores)}, {"Truncated", !name && page.more}};
  if (!name && page.more) answer["NextMarker"] = marker_after(asked.after);
  return answer;
}

Json update_custom_key_store(Call& call) {
  authorize_account(call, "UpdateCustomKeyStore");
  CustomKeyStoreRecord store = store_in_request(call);
  CustomKeyStoreChange change;
  check_kind(call.fields, false);
  change.name = call.fields.text("NewCustomKeyStoreName", 1, 256);
  change.xks_endpoint = call.fields.text("XksProxyUriEndpoint", 10, 128);
  change.xks_path = call.fields.text("XksProxyUriPath", 10, 128);
  if (change.xks_endpoint) check_endpoint(*change.xks_endpoint);
  if (change.xks_path) check_path(*change.xks_path);
  ProxyAccess access = proxy_of(call, store);
  if (const std::optional<Fields> fields = call.fields.object("XksProxyAuthenticationCredential")) {
    const Credential credential = credential_in(*fields);
    change.access_key_id = credential.access_key_id;
    change.secret_access_key =
        call.parts.wrapping.wrap(Purpose::kProxyCredential, store.id.text, 1, cofferdam::as_bytes(credential.secret));
    access.access_key_id = credential.access_key_id;
    access.secret = credential.secret;
  }
  note_settings(call, change.xks_endpoint, change.xks_path, change.access_key_id, change.name);
  // UpdateCustomKeyStore, API reference: the endpoint changes while nobody uses it, all else also while it is connected.
  change.only_revision = store.revision;
  const bool moves = change.xks_endpoint.has_value();
  if (change.xks_endpoint) access.endpoint = *change.xks_endpoint;
  if (change.xks_path) access.path = *change.xks_path;
  if (store.state != ConnectionState::kDisconnected && (moves || store.state != ConnectionState::kConnected)) {
    throw KmsError(ErrorName::kCustomKeyStoreInvalidState, "the custom key store must be disconnected for this change");
  }
  call.parts.external.check_health(access, health_request(call));
  const auto states = moves ? std::span<const ConnectionState>(kDisconnectedOnly) : std::span<const ConnectionState>(kConnectedOrNot);
  placed_or_throw(call, call.parts.store.change_custom_key_store(store.id, states, change, call.event));
  return Json::object();
}

Json delete_custom_key_store(Call& call) {
  authorize_account(call, "DeleteCustomKeyStore");
  const CustomKeyStoreRecord store = store_in_request(call);
  done_or_throw(call, call.parts.store.delete_custom_key_store(store.id, call.event));
  return Json::object();
}

}  // namespace kms
