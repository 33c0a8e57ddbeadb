#include "tools/pkcs11/token.hpp"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "tools/pkcs11/module.hpp"

namespace pkcs11 {
namespace {

constexpr std::size_t kTag = cryptography::kGcmTag, kIv = cryptography::kGcmIv, kKeyBytes = cryptography::kAes256Key;
constexpr std::size_t kMostKeys = 4096, kLongestLabel = 128;
constexpr std::chrono::seconds kLongestWaitForSession{5};

// Fields of fixed width, padded with blanks.
template <std::size_t size>
std::string padded_text(const unsigned char (&field)[size]) {
  std::string text(reinterpret_cast<const char*>(field), size);
  text.resize(text.find_last_not_of(std::string_view(" \0", 2)) + 1);
  return text;
}

// What a token that went away, or a session that ended with it, answers. SoftHSM says CKR_GENERAL_ERROR for a lot.
bool is_gone(CK_RV value) {
  switch (value) {
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_SLOT_ID_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
    case CKR_GENERAL_ERROR:
    case CKR_FUNCTION_FAILED:
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_KEY_HANDLE_INVALID: return true;
    default: return false;
  }
}

unsigned char* bytes_of(ByteView view) {
  static unsigned char nothing = 0;  // modules take a null pointer for a missing argument
  return view.empty() ? &nothing : const_cast<unsigned char*>(view.data());
}

CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const void* value, std::size_t size) {
  return {type, const_cast<void*>(value), size};
}

CK_GCM_PARAMS gcm(ByteView iv, ByteView associated) {
  CK_GCM_PARAMS parameters{};
  parameters.iv_ptr = bytes_of(iv);
  parameters.iv_len = iv.size();
  parameters.iv_bits = iv.size() * 8;
  parameters.aad_ptr = associated.empty() ? nullptr : bytes_of(associated);
  parameters.aad_len = associated.size();
  parameters.tag_bits = kTag * 8;
  return parameters;
}

}  // namespace

struct Token::State {
  using Session = CK_SESSION_HANDLE;

  explicit State(TokenOptions given) : options(std::move(given)), module(Module::at(module_path(options.module))) {}
  ~State();

  template <typename Work>
  auto in_session(Work work);
  [[nodiscard]] Session take_session();
  void give_back(Session session, std::uint64_t of_epoch, bool usable);
  [[nodiscard]] CK_SLOT_ID slot_by_label();
  [[nodiscard]] std::vector<CK_OBJECT_HANDLE> handles(Session session, const std::string_view* label);
  [[nodiscard]] std::optional<CK_OBJECT_HANDLE> key(Session session, std::string_view label);
  [[nodiscard]] CK_OBJECT_HANDLE known_key(Session session, std::string_view label);
  [[nodiscard]] KeyInfo describe(Session session, CK_OBJECT_HANDLE object);
  [[nodiscard]] CK_TOKEN_INFO info();
  CK_FUNCTION_LIST& call() { return module->functions(); }

  TokenOptions options;
  std::shared_ptr<Module> module;
  std::mutex mutex;
  std::condition_variable returned;
  std::uint64_t epoch{0};  // that the slot and the sessions are of
  CK_SLOT_ID slot{};
  std::vector<Session> idle;
  std::size_t open{0};
  std::mutex generating;  // looking for the label and taking it are two calls
};

Token::State::~State() {
  try {
    const auto use = module->use();
    if (epoch == module->epoch()) {
      for (const Session session : idle) call().C_CloseSession(session);
    }
  } catch (const TokenError&) {  // the module is gone with them
  }
}

CK_SLOT_ID Token::State::slot_by_label() {
  CK_ULONG count = 0;
  demand(call().C_GetSlotList(CK_TRUE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(count + 8);
  count = slots.size();
  demand(call().C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  slots.resize(count);
  for (const CK_SLOT_ID candidate : slots) {
    CK_TOKEN_INFO token{};
    if (call().C_GetTokenInfo(candidate, &token) == CKR_OK && (token.flags & CKF_TOKEN_INITIALIZED) != 0 &&
        padded_text(token.label) == options.token_label) {
      return candidate;
    }
  }
  throw CallError("the token's slot", CKR_TOKEN_NOT_PRESENT);
}

Token::State::Session Token::State::take_session() {
  std::unique_lock lock(mutex);
  if (epoch != module->epoch()) {
    slot = slot_by_label();
    epoch = module->epoch();
    idle.clear();
    open = 0;
  }
  const std::size_t most = std::max<std::size_t>(options.sessions, 1);
  if (!returned.wait_for(lock, kLongestWaitForSession, [&] { return !idle.empty() || open < most; })) {
    throw TokenError("all " + std::to_string(most) + " sessions of the token are busy");
  }
  if (!idle.empty()) {
    const Session session = idle.back();
    idle.pop_back();
    return session;
  }
  Session session{};
  demand(call().C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session), "C_OpenSession");
  const CK_RV login = call().C_Login(session, CKU_USER, bytes_of(cofferdam::as_bytes(options.pin)), options.pin.size());
  if (login != CKR_OK && login != CKR_USER_ALREADY_LOGGED_IN) {
    call().C_CloseSession(session);
    throw CallError("C_Login", login);
  }
  ++open;
  return session;
}

void Token::State::give_back(Session session, std::uint64_t of_epoch, bool usable) {
  {
    const std::lock_guard lock(mutex);
    if (of_epoch != epoch) return;
    if (usable) {
      idle.push_back(session);
    } else {
      call().C_CloseSession(session);
      --open;
    }
  }
  returned.notify_one();
}

// Runs `work` in a session. When the token seems gone, the module is started anew, once, and the work done again: so a token that
// came back is found, and one that didn't is an error at once. All work of this file may be done twice.
template <typename Work>
auto Token::State::in_session(Work work) {
  for (int attempt = 0;; ++attempt) {
    std::uint64_t seen = 0;
    try {
      const auto use = module->use();
      seen = module->epoch();
      const Session session = take_session();
      bool usable = false;
      struct Return {
        State& state;
        Session session;
        std::uint64_t epoch;
        bool& usable;
        ~Return() { state.give_back(session, epoch, usable); }
      } const guard{*this, session, seen, usable};
      try {
        auto result = work(session);
        usable = true;
        return result;
      } catch (const CallError& error) {
        usable = !is_gone(error.value);
        throw;
      } catch (...) {  // our own refusals: no operation is left open
        usable = true;
        throw;
      }
    } catch (const CallError& error) {
      if (attempt > 0 || !is_gone(error.value) || !module->restart(seen)) throw;
    }
  }
}

std::vector<CK_OBJECT_HANDLE> Token::State::handles(Session session, const std::string_view* label) {
  const CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  const CK_KEY_TYPE aes = CKK_AES;
  std::vector<CK_ATTRIBUTE> wanted = {attribute(CKA_CLASS, &secret, sizeof(secret)), attribute(CKA_KEY_TYPE, &aes, sizeof(aes))};
  if (label != nullptr) wanted.push_back(attribute(CKA_LABEL, label->data(), label->size()));
  demand(call().C_FindObjectsInit(session, wanted.data(), wanted.size()), "C_FindObjectsInit");
  std::vector<CK_OBJECT_HANDLE> found;
  CK_RV value = CKR_OK;
  CK_OBJECT_HANDLE some[64];
  CK_ULONG count = 0;
  do {
    value = call().C_FindObjects(session, some, std::size(some), &count);
    if (value == CKR_OK) found.insert(found.end(), some, some + count);
  } while (value == CKR_OK && count > 0 && found.size() < kMostKeys);
  const CK_RV final = call().C_FindObjectsFinal(session);
  demand(value, "C_FindObjects");
  demand(final, "C_FindObjectsFinal");
  return found;
}

std::optional<CK_OBJECT_HANDLE> Token::State::key(Session session, std::string_view label) {
  if (label.empty() || label.size() > kLongestLabel) throw TokenError("a key's label has 1 to 128 bytes");
  const auto found = handles(session, &label);
  if (found.size() > 1) throw TokenError("the token has more than one AES key labelled '" + std::string(label) + "'");
  return found.empty() ? std::nullopt : std::optional(found.front());
}

CK_OBJECT_HANDLE Token::State::known_key(Session session, std::string_view label) {
  auto found = key(session, label);
  if (found) return *found;
  // A module that lost its token may show an empty one: then the key is looked for again after a new start.
  if (handles(session, nullptr).empty()) throw CallError(("key '" + std::string(label) + "'").c_str(), CKR_KEY_HANDLE_INVALID);
  throw TokenError("the token has no AES key labelled '" + std::string(label) + "'");
}

KeyInfo Token::State::describe(Session session, CK_OBJECT_HANDLE object) {
  char label[kLongestLabel + 1];
  std::uint8_t id[256];
  CK_BBOOL encrypts = CK_FALSE, decrypts = CK_FALSE;
  CK_ATTRIBUTE attributes[] = {attribute(CKA_LABEL, label, sizeof(label)), attribute(CKA_ID, id, sizeof(id)),
                               attribute(CKA_ENCRYPT, &encrypts, sizeof(encrypts)), attribute(CKA_DECRYPT, &decrypts, sizeof(decrypts))};
  demand(call().C_GetAttributeValue(session, object, attributes, std::size(attributes)), "C_GetAttributeValue");
  // Apart from the others: a token may keep it to itself.
  CK_ULONG size = 0;
  CK_ATTRIBUTE length = attribute(CKA_VALUE_LEN, &size, sizeof(size));
  const CK_RV told = call().C_GetAttributeValue(session, object, &length, 1);
  if (told == CKR_ATTRIBUTE_SENSITIVE || told == CKR_ATTRIBUTE_TYPE_INVALID) size = 0;
  else demand(told, "C_GetAttributeValue");
  return {.label = std::string(label, std::min<std::size_t>(attributes[0].ulValueLen, sizeof(label))),
          .id = Bytes(id, id + std::min<std::size_t>(attributes[1].ulValueLen, sizeof(id))),
          .size = size, .may_encrypt = encrypts != CK_FALSE, .may_decrypt = decrypts != CK_FALSE};
}

CK_TOKEN_INFO Token::State::info() {
  return in_session([this](Session) {
    CK_TOKEN_INFO token{};
    demand(call().C_GetTokenInfo(slot, &token), "C_GetTokenInfo");
    return token;
  });
}

Token::Token(TokenOptions options) : state_(std::make_unique<State>(std::move(options))) { ping(); }
Token::~Token() = default;

void Token::ping() {
  state_->in_session([this](State::Session session) {
    CK_SESSION_INFO info{};
    demand(state_->call().C_GetSessionInfo(session, &info), "C_GetSessionInfo");
    CK_TOKEN_INFO token{};
    demand(state_->call().C_GetTokenInfo(info.slotID, &token), "C_GetTokenInfo");
    if (padded_text(token.label) != state_->options.token_label) throw CallError("the token's label", CKR_TOKEN_NOT_PRESENT);
    return true;
  });
}

std::string Token::model() { return padded_text(state_->info().model); }
std::string Token::manufacturer() { return padded_text(state_->info().manufacturerID); }
std::string Token::serial() { return padded_text(state_->info().serialNumber); }

void Token::generate_aes256(std::string_view label) {
  const std::lock_guard lock(state_->generating);
  Bytes id = cryptography::random_bytes(16);
  // Nothing of the key is made before the last call, and a call that failed left none: it may be done twice.
  state_->in_session([&](State::Session session) {
    if (state_->key(session, label)) throw TokenError("the token has a key labelled '" + std::string(label) + "' already");
    const CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
    const CK_KEY_TYPE aes = CKK_AES;
    const CK_ULONG size = kKeyBytes;
    const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ATTRIBUTE attributes[] = {
        attribute(CKA_CLASS, &secret, sizeof(secret)), attribute(CKA_KEY_TYPE, &aes, sizeof(aes)),
        attribute(CKA_VALUE_LEN, &size, sizeof(size)), attribute(CKA_TOKEN, &yes, sizeof(yes)),
        attribute(CKA_PRIVATE, &yes, sizeof(yes)),     attribute(CKA_SENSITIVE, &yes, sizeof(yes)),
        attribute(CKA_EXTRACTABLE, &no, sizeof(no)),   attribute(CKA_ENCRYPT, &yes, sizeof(yes)),
        attribute(CKA_DECRYPT, &yes, sizeof(yes)),     attribute(CKA_WRAP, &no, sizeof(no)),
        attribute(CKA_UNWRAP, &no, sizeof(no)),        attribute(CKA_SIGN, &no, sizeof(no)),
        attribute(CKA_VERIFY, &no, sizeof(no)),        attribute(CKA_LABEL, label.data(), label.size()),
        attribute(CKA_ID, id.data(), id.size())};
    CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
    CK_OBJECT_HANDLE made{};
    demand(state_->call().C_GenerateKey(session, &mechanism, attributes, std::size(attributes), &made), "C_GenerateKey");
    return true;
  });
}

void Token::destroy(std::string_view label) {
  state_->in_session([&](State::Session session) {
    const auto object = state_->key(session, label);
    if (!object) throw TokenError("the token has no AES key labelled '" + std::string(label) + "'");
    demand(state_->call().C_DestroyObject(session, *object), "C_DestroyObject");
    return true;
  });
}

std::optional<KeyInfo> Token::find(std::string_view label) {
  return state_->in_session([&](State::Session session) -> std::optional<KeyInfo> {
    const auto object = state_->key(session, label);
    return object ? std::optional(state_->describe(session, *object)) : std::nullopt;
  });
}

KeyInfo Token::known(std::string_view label) {
  return state_->in_session([&](State::Session session) { return state_->describe(session, state_->known_key(session, label)); });
}

std::vector<KeyInfo> Token::keys() {
  return state_->in_session([&](State::Session session) {
    std::vector<KeyInfo> result;
    for (const CK_OBJECT_HANDLE object : state_->handles(session, nullptr)) result.push_back(state_->describe(session, object));
    return result;
  });
}

Token::Sealed Token::seal(std::string_view label, ByteView associated, ByteView plaintext) {
  return state_->in_session([&](State::Session session) {
    const CK_OBJECT_HANDLE object = state_->known_key(session, label);
    Sealed sealed{.iv = cryptography::random_bytes(kIv), .ciphertext = Bytes(plaintext.size() + 2 * kTag), .tag = {}};
    CK_GCM_PARAMS parameters = gcm(sealed.iv, associated);
    CK_MECHANISM mechanism{CKM_AES_GCM, &parameters, sizeof(parameters)};
    demand(state_->call().C_EncryptInit(session, &mechanism, object), "C_EncryptInit");
    CK_ULONG size = sealed.ciphertext.size();
    demand(state_->call().C_Encrypt(session, bytes_of(plaintext), plaintext.size(), sealed.ciphertext.data(), &size), "C_Encrypt");
    if (size != plaintext.size() + kTag) throw CallError("C_Encrypt's size", CKR_DEVICE_ERROR);
    sealed.tag.assign(sealed.ciphertext.begin() + static_cast<long>(plaintext.size()), sealed.ciphertext.begin() + static_cast<long>(size));
    sealed.ciphertext.resize(plaintext.size());
    return sealed;
  });
}

std::optional<cryptography::SecretBytes> Token::open(std::string_view label, ByteView iv, ByteView associated, ByteView ciphertext,
                                                     ByteView tag) {
  if (tag.size() != kTag || iv.size() < kIv || iv.size() > 16) return std::nullopt;
  return state_->in_session([&](State::Session session) -> std::optional<cryptography::SecretBytes> {
    const CK_OBJECT_HANDLE object = state_->known_key(session, label);
    Bytes whole(ciphertext.begin(), ciphertext.end());
    whole.insert(whole.end(), tag.begin(), tag.end());
    CK_GCM_PARAMS parameters = gcm(iv, associated);
    CK_MECHANISM mechanism{CKM_AES_GCM, &parameters, sizeof(parameters)};
    demand(state_->call().C_DecryptInit(session, &mechanism, object), "C_DecryptInit");
    cryptography::SecretBytes plaintext(whole.size());
    CK_ULONG size = plaintext.size();
    const CK_RV value = state_->call().C_Decrypt(session, whole.data(), whole.size(), plaintext.writable().data(), &size);
    // SoftHSM says CKR_GENERAL_ERROR for a wrong tag. A token that is gone isn't found again, and that is another error.
    if (value == CKR_ENCRYPTED_DATA_INVALID || value == CKR_GENERAL_ERROR || value == CKR_DATA_INVALID || value == CKR_FUNCTION_FAILED) {
      (void)state_->known_key(session, label);
      return std::nullopt;
    }
    demand(value, "C_Decrypt");
    if (size != ciphertext.size()) throw CallError("C_Decrypt's size", CKR_DEVICE_ERROR);
    return cryptography::SecretBytes::copy_of(plaintext.view().first(size));
  });
}

}  // namespace pkcs11
