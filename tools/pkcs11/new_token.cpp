#include "tools/pkcs11/new_token.hpp"

#include <algorithm>

#include "tools/pkcs11/module.hpp"

namespace pkcs11 {
namespace {

unsigned char* text_bytes(const std::string& text) { return reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())); }

}  // namespace

void make_token(const TokenOptions& options, const std::string& security_officer_pin) {
  if (options.token_label.empty() || options.token_label.size() > 32) throw TokenError("a token's label has 1 to 32 bytes");
  const std::shared_ptr<Module> module = Module::at(module_path(options.module));
  const auto use = module->use();
  CK_FUNCTION_LIST& call = module->functions();
  CK_ULONG count = 0;
  demand(call.C_GetSlotList(CK_TRUE, nullptr, &count), "C_GetSlotList");
  std::vector<CK_SLOT_ID> slots(count + 8);
  count = slots.size();
  demand(call.C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
  slots.resize(count);
  const auto is_free = [&call](CK_SLOT_ID slot) {
    CK_TOKEN_INFO token{};
    return call.C_GetTokenInfo(slot, &token) == CKR_OK && (token.flags & CKF_TOKEN_INITIALIZED) == 0;
  };
  const auto free = std::ranges::find_if(slots, is_free);
  if (free == slots.end()) throw TokenError("the module has no slot with a token that isn't initialised");
  unsigned char label[32];
  std::ranges::fill(label, ' ');
  std::ranges::copy(options.token_label, label);
  demand(call.C_InitToken(*free, text_bytes(security_officer_pin), security_officer_pin.size(), label), "C_InitToken");
  CK_SESSION_HANDLE session{};
  demand(call.C_OpenSession(*free, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session), "C_OpenSession");
  CK_RV value = call.C_Login(session, CKU_SO, text_bytes(security_officer_pin), security_officer_pin.size());
  if (value == CKR_OK) {
    value = call.C_InitPIN(session, text_bytes(options.pin), options.pin.size());
    call.C_Logout(session);
  }
  call.C_CloseSession(session);
  demand(value, "C_InitPIN");
}

}  // namespace pkcs11
