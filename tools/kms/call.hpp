// One request on its way through the service: who asks what, with which parts of the service, and what the audit log will say.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>

#include "tools/kms/arns.hpp"
#include "tools/kms/external_keys.hpp"
#include "tools/kms/key_wrapping.hpp"
#include "tools/kms/policy_evaluate.hpp"
#include "tools/kms/principals.hpp"
#include "tools/kms/recipient.hpp"
#include "tools/kms/request_fields.hpp"
#include "tools/kms/store.hpp"

namespace kms {

// Parsed policies by their text: a policy is parsed once, not for each request. At most 256 of them.
class ParsedPolicies {
 public:
  [[nodiscard]] std::shared_ptr<const PolicyDocument> of(const std::string& text);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const PolicyDocument>> parsed_;
};

struct Parts {
  Place place;
  bool tls{true};
  std::string xks_authorities;    // PEM that new custom key stores trust; empty: the system's
  std::function<Time()> clock;
  Store& store;
  KeyWrapping& wrapping;
  Recipients& recipients;
  ExternalKeys& external;
  ParsedPolicies policies;
};

struct Call {
  Parts& parts;
  const Fields& fields;
  const Principal& caller;
  std::string operation;   // "Decrypt"
  std::string request_id;
  Time now;
  AuditEvent event;        // filled on the way
  bool in_the_log{};       // a transaction of the store wrote the event already
  std::map<std::string, std::vector<std::string>> conditions;  // what the request adds to RequestContext::keys

  [[nodiscard]] std::int64_t now_seconds() const { return std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count(); }
};

// What a change was authorised by is no longer what the store has: the operation begins anew, with everything read and asked again.
struct Outdated {};

using Handler = Json (*)(Call&);
// Nullptr: no such operation.
[[nodiscard]] Handler find_operation(std::string_view name);

// The key that a member of the request names, by id, ARN, alias or alias ARN. Throws NotFoundException and others.
[[nodiscard]] KeyRecord find_key(Call& call, const std::string& reference);
[[nodiscard]] KeyRecord key_in_request(Call& call);  // of KeyId

// Throws AccessDeniedException. `action` without "kms:".
void authorize(Call& call, const KeyRecord& key, std::string_view action);
// For operations that concern no key: the account's permissions.
void authorize_account(Call& call, std::string_view action);
[[nodiscard]] RequestContext context_of(const Call& call, const KeyRecord& key, std::string_view action);

// Throws DisabledException or KMSInvalidStateException unless the key may be used.
void require_usable(const Call& call, const KeyRecord& key);
// When the request says DryRun, and everything else would have passed: throws DryRunOperationException.
void end_dry_run(const Call& call);

// AuditEvent::detail of an operation that writes a policy: its SHA-256.
[[nodiscard]] std::string policy_detail(std::string_view policy);

[[nodiscard]] double epoch_seconds(Time time);
[[nodiscard]] Json key_metadata(const Call& call, const KeyRecord& key);
[[nodiscard]] std::vector<std::string> algorithms_of(const std::string& key_spec);

// The page that a list operation gives: Limit and Marker of the request.
struct PageRequest {
  std::string after;
  std::size_t limit{};
};
[[nodiscard]] PageRequest page_request(const Call& call, std::size_t default_limit, std::size_t most, std::string_view limit_name = "Limit");
[[nodiscard]] std::string marker_after(std::string_view last);

// operations_custom_store.cpp: the open way to the proxy of an external key. Throws KMSInvalidStateException unless connected.
[[nodiscard]] ProxyAccess proxy_of(Call& call, const KeyRecord& key);
[[nodiscard]] ProxyAccess proxy_of(Call& call, const CustomKeyStoreRecord& store);

// recipient_answer.cpp: what stands in the answer for a secret. With a Recipient in the request, CiphertextForRecipient;
// without, `plain_name`.
class SecretAnswer {
 public:
  // Reads and verifies Recipient, and adds its conditions to the call: before authorize().
  explicit SecretAnswer(Call& call);
  // For the audit log alone, when the request is refused before that: its PCR0 if the document is good, else that there was one.
  static void note_recipient(Call& call);
  void put(Json& answer, std::string_view plain_name, ByteView secret) const;

 private:
  std::optional<Recipient> recipient_;
};

Json create_key(Call& call);
Json describe_key(Call& call);
Json list_keys(Call& call);
Json schedule_key_deletion(Call& call);
Json cancel_key_deletion(Call& call);
Json enable_key(Call& call);
Json disable_key(Call& call);
Json update_key_description(Call& call);
Json get_public_key(Call& call);
Json create_alias(Call& call);
Json update_alias(Call& call);
Json delete_alias(Call& call);
Json list_aliases(Call& call);
Json put_key_policy(Call& call);
Json get_key_policy(Call& call);
Json list_key_policies(Call& call);
Json encrypt(Call& call);
Json decrypt(Call& call);
Json re_encrypt(Call& call);
Json generate_data_key(Call& call);
Json generate_data_key_without_plaintext(Call& call);
Json generate_data_key_pair(Call& call);
Json generate_data_key_pair_without_plaintext(Call& call);
Json generate_random(Call& call);
Json create_custom_key_store(Call& call);
Json connect_custom_key_store(Call& call);
Json disconnect_custom_key_store(Call& call);
Json describe_custom_key_stores(Call& call);
Json update_custom_key_store(Call& call);
Json delete_custom_key_store(Call& call);

}  // namespace kms
