#include "tools/cofferdam/eif_describe.hpp"

#include <chrono>
#include <cstdio>

namespace cofferdam {
namespace {

using OrderedJson = nlohmann::ordered_json;

// As OpenSSL prints it: "Nov  1 04:53:07 2026 GMT".
std::string openssl_time(std::int64_t seconds) {
  constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds time{std::chrono::seconds{seconds}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%s %2u %02d:%02d:%02d %d GMT", kMonths[static_cast<unsigned>(date.month()) - 1],
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                static_cast<int>(date.year()));
  return text.data();
}

std::string colon_hex(ByteView bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    std::array<char, 4> pair{};
    std::snprintf(pair.data(), pair.size(), "%02X", static_cast<unsigned>(byte));
    if (!text.empty()) text += ':';
    text += pair.data();
  }
  return text;
}

OrderedJson certificate_json(const Certificate& certificate) {
  std::map<std::string, std::string> issuer;  // nitro-cli: sorted, the last of equal names
  for (const auto& [name, value] : certificate.issuer_attributes) issuer[name] = value;
  OrderedJson json;
  json["IssuerName"] = issuer;
  json["Algorithm"] = certificate.signature_algorithm;
  json["NotBefore"] = openssl_time(certificate.not_before);
  json["NotAfter"] = openssl_time(certificate.not_after);
  json["Signature"] = colon_hex(certificate.signature);
  return json;
}

std::string text_at(const OrderedJson& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) {
    throw BadImage(std::string("the metadata section: \"") + key + "\" is missing or not a text");
  }
  return found->get<std::string>();
}

// Sorted at every depth, as serde_json keeps the values that users gave.
OrderedJson sorted(const OrderedJson& json) { return OrderedJson::parse(nlohmann::json::parse(json.dump()).dump()); }

}  // namespace

OrderedJson measurements_json(const EifImage& image) {
  OrderedJson json;
  json["HashAlgorithm"] = "Sha384 { ... }";
  json["PCR0"] = to_hex(image.measurement.pcr0);
  json["PCR1"] = to_hex(image.measurement.pcr1);
  json["PCR2"] = to_hex(image.measurement.pcr2);
  if (image.layout.signature) {
    const EifSignature signature = decode_signature_section(image.section(*image.layout.signature));
    json["PCR8"] = to_hex(pcr8_of(signature.certificate.der));
  }
  return json;
}

Description describe_eif(const EifImage& image) {
  Description description;
  OrderedJson& json = description.json;
  json["EifVersion"] = image.layout.version;
  json["Measurements"] = measurements_json(image);
  json["IsSigned"] = image.layout.signature.has_value();
  std::optional<bool> signature_good;
  if (image.layout.signature) {
    const EifSignature signature = decode_signature_section(image.section(*image.layout.signature));
    json["SigningCertificate"] = certificate_json(signature.certificate);
    const std::string problem = check_signature(signature, image.measurement.pcr0);
    signature_good = problem.empty();
    if (!problem.empty()) description.problems.push_back("the signature does not hold: " + problem);
  }
  json["CheckCRC"] = image.crc_good;
  if (!image.crc_good) description.problems.emplace_back(enclave::describe(enclave::EifError::kBadCrc));
  if (signature_good) json["SignatureCheck"] = *signature_good;
  if (!image.layout.metadata) return description;

  const ByteView section = image.section(*image.layout.metadata);
  if (!is_valid_utf8(section)) throw BadImage("the metadata section is not UTF-8");
  const OrderedJson metadata = OrderedJson::parse(as_text(section), nullptr, /*allow_exceptions=*/false);
  if (!metadata.is_object()) throw BadImage("the metadata section is not a JSON object");
  const auto build = metadata.find("BuildMetadata");
  if (build == metadata.end() || !build->is_object()) {
    throw BadImage("the metadata section: \"BuildMetadata\" is missing or not an object");
  }
  json["ImageName"] = text_at(metadata, "ImageName");
  json["ImageVersion"] = text_at(metadata, "ImageVersion");
  OrderedJson shown;
  for (const char* key : {"BuildTime", "BuildTool", "BuildToolVersion", "OperatingSystem", "KernelVersion"}) {
    shown[key] = text_at(*build, key);
  }
  shown["DockerInfo"] = metadata.contains("DockerInfo") ? sorted(metadata["DockerInfo"]) : OrderedJson();
  // nitro-cli flattens what the user added into the same object.
  if (metadata.contains("CustomMetadata") && metadata["CustomMetadata"].is_object()) {
    const OrderedJson custom = sorted(metadata["CustomMetadata"]);
    for (const auto& [key, value] : custom.items()) shown[key] = value;
  }
  json["Metadata"] = shown;
  return description;
}

std::string metadata_section(const EifMetadata& metadata) {
  OrderedJson json;
  json["ImageName"] = metadata.image_name;
  json["ImageVersion"] = metadata.image_version;
  OrderedJson& build = json["BuildMetadata"];
  build["BuildTime"] = metadata.build_time;
  build["BuildTool"] = metadata.build_tool;
  build["BuildToolVersion"] = metadata.build_tool_version;
  build["OperatingSystem"] = metadata.operating_system;
  build["KernelVersion"] = metadata.kernel_version;
  json["DockerInfo"] = nullptr;
  json["CustomMetadata"] = OrderedJson::parse(metadata.custom.dump());
  return json.dump();
}

}  // namespace cofferdam
