#include "guests/parent/cli/enclave_json.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

namespace enclave_cli {

Json run_json(const EnclaveDescription& enclave) {
  Json json;
  json["EnclaveName"] = enclave.name;
  json["EnclaveID"] = enclave.id;
  json["ProcessID"] = enclave.process_id;
  json["EnclaveCID"] = enclave.cid;
  json["NumberOfCPUs"] = enclave.cpus.size();
  json["CPUIDs"] = enclave.cpus;
  json["MemoryMiB"] = enclave.memory_mib;
  return json;
}

Json describe_json(const EnclaveDescription& enclave, std::string_view state, const Json& image, bool with_metadata) {
  Json json = run_json(enclave);
  json["State"] = state;
  json["Flags"] = enclave.debug ? "DEBUG_MODE" : "NONE";
  if (image.is_object()) {
    json["Measurements"] = image.at("Measurements");
    for (const char* key : {"ImageName", "ImageVersion", "Metadata"}) {
      if (with_metadata && image.contains(key)) json[key] = image.at(key);
    }
  }
  return json;
}

Json terminate_json(const EnclaveDescription& enclave) {
  Json json;
  json["EnclaveName"] = enclave.name;
  json["EnclaveID"] = enclave.id;
  json["Terminated"] = true;
  return json;
}

std::string enclave_id(KernelFiles& files, std::uint64_t slot_uid) {
  std::string tag;
  if (files.read("/sys/devices/virtual/dmi/id/board_asset_tag", tag) < 0) tag.clear();
  std::erase_if(tag, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-'; });
  if (tag.empty()) tag = "i-0000000000000000";
  std::array<char, 20> hex{};
  std::snprintf(hex.data(), hex.size(), "%llx", static_cast<unsigned long long>(slot_uid));
  return tag + "-enc" + hex.data();
}

std::string pretty(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n'; }

}  // namespace enclave_cli
