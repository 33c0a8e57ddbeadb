// Where the time of a Recipient decrypt goes: the document, the policy, the key's unwrapping, RSA-OAEP, the store, the audit log.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "tools/kms/ciphertext_blob.hpp"
#include "tools/kms/cms_envelope.hpp"
#include "tools/kms/key_wrapping.hpp"
#include "tools/kms/policy_evaluate.hpp"
#include "tools/kms/recipient.hpp"

namespace {

constexpr std::int64_t kInItsTime = 1736179722;  // of fixtures/attestation/yawn.cose, which has an RSA key

bool read_document(benchmark::State& state, cofferdam::Bytes& document) {
  try {
    document = cofferdam::read_file(std::string(COFFERDAM_FIXTURES) + "/attestation/yawn.cose", 65536);
    return true;
  } catch (const cofferdam::Unreadable&) {
    state.SkipWithError("no fixtures");
    return false;
  }
}

void kms_document_never_seen(benchmark::State& state) {
  cofferdam::Bytes document;
  if (!read_document(state, document)) return;
  const kms::Recipients recipients({.anchors = {}, .remembered = 0});
  for (auto unused : state) benchmark::DoNotOptimize(recipients.verify(document, {}, kInItsTime));
}
BENCHMARK(kms_document_never_seen)->Name("kms/document_never_seen")->Unit(benchmark::kMicrosecond);

void kms_document_of_a_known_chain(benchmark::State& state) {
  cofferdam::Bytes document;
  if (!read_document(state, document)) return;
  const kms::Recipients recipients({.anchors = {}});
  for (auto unused : state) benchmark::DoNotOptimize(recipients.verify(document, {}, kInItsTime));
}
BENCHMARK(kms_document_of_a_known_chain)->Name("kms/document_of_a_known_chain")->Unit(benchmark::kMicrosecond);

void kms_envelope(benchmark::State& state) {
  const cryptography::PrivateKey key = cryptography::PrivateKey::generate(cryptography::KeyKind::kRsa2048);
  const cofferdam::Bytes secret(32, 1);
  for (auto unused : state) benchmark::DoNotOptimize(kms::envelope_for(key.public_key(), secret));
}
BENCHMARK(kms_envelope)->Name("kms/envelope")->Unit(benchmark::kMicrosecond);

void kms_ciphertext(benchmark::State& state) {
  const cofferdam::Bytes material(32, 1);
  const cofferdam::Bytes body = kms::seal_local(material, {}, cofferdam::Bytes(32, 2));
  for (auto unused : state) benchmark::DoNotOptimize(kms::open_local(material, {}, body));
}
BENCHMARK(kms_ciphertext)->Name("kms/ciphertext")->Unit(benchmark::kMicrosecond);

void kms_policy(benchmark::State& state) {
  const kms::PolicyDocument policy = kms::parse_key_policy(R"({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kms:*", "Resource": "*"},
    {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
     "Condition": {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": "AABB"}}}]})");
  kms::RequestContext request;
  request.action = "kms:Decrypt";
  request.keys["kms:recipientattestation:imagesha384"] = {"aabb"};
  for (auto unused : state) benchmark::DoNotOptimize(kms::evaluate(policy, request));
}
BENCHMARK(kms_policy)->Name("kms/policy")->Unit(benchmark::kMicrosecond);

class MemoryRootKeys final : public kms::RootKeys {
 public:
  pkcs11::Token::Sealed seal(std::string_view, kms::ByteView associated, kms::ByteView plaintext) override {
    const kms::Bytes iv = cryptography::random_bytes(cryptography::kGcmIv);
    cryptography::Sealed sealed = cryptography::seal(key_, iv, associated, plaintext);
    return {iv, std::move(sealed.ciphertext), kms::Bytes(sealed.tag.begin(), sealed.tag.end())};
  }
  std::optional<cryptography::SecretBytes> open(std::string_view, kms::ByteView iv, kms::ByteView associated, kms::ByteView ciphertext,
                                                kms::ByteView tag) override {
    return cryptography::open(key_, iv, associated, ciphertext, tag);
  }

 private:
  kms::Bytes key_ = kms::Bytes(32, 9);
};

struct Database {
  Database() : store(kms::open_store({.url = "sqlite:" + (folder / "keys.db").string()}, wrapping)) {}
  ~Database() {
    store.reset();
    std::filesystem::remove_all(folder);
  }
  static std::filesystem::path made() {
    const auto path = std::filesystem::temp_directory_path() / ("cofferdam-kms-" + cofferdam::to_hex(cryptography::random_bytes(8)));
    std::filesystem::create_directories(path);
    return path;
  }
  std::filesystem::path folder = made();
  MemoryRootKeys root_keys;
  kms::KeyWrapping wrapping{root_keys, "root"};
  std::unique_ptr<kms::Store> store;
};

void kms_store_finds_a_key(benchmark::State& state) {
  Database database;
  kms::KeyRecord key;
  key.id = {"1234abcd-12ab-34cd-56ef-1234567890ab"};
  key.account = "111122223333";
  key.key_spec = "SYMMETRIC_DEFAULT";
  key.key_usage = "ENCRYPT_DECRYPT";
  key.policy = std::string(1024, ' ');
  key.material = {database.wrapping.wrap_material(key.id, 1, kms::Bytes(32, 1))};
  if (database.store->create_key(key, {.operation = "CreateKey"}) != kms::Outcome::kDone) return state.SkipWithError("no key");
  for (auto unused : state) benchmark::DoNotOptimize(database.store->find_key(key.id));
}
BENCHMARK(kms_store_finds_a_key)->Name("kms/store_finds_a_key")->Unit(benchmark::kMicrosecond);

// Durable: waits for the disk. Entries of several threads share a wait.
void kms_audit_entry(benchmark::State& state) {
  static Database* database = nullptr;
  if (state.thread_index() == 0) database = new Database;
  for (auto unused : state) database->store->append_audit({.principal = "p", .operation = "Decrypt", .outcome = "Success"});
  if (state.thread_index() == 0) delete std::exchange(database, nullptr);
}
BENCHMARK(kms_audit_entry)->Name("kms/audit_entry")->Unit(benchmark::kMicrosecond)->UseRealTime()->Threads(1)->Threads(16);

}  // namespace
