#include "tools/cofferdam/report.hpp"

namespace cofferdam {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson hex_or_null(const std::optional<Bytes>& bytes) { return bytes ? OrderedJson(to_hex(*bytes)) : OrderedJson(); }

OrderedJson certificate_json(const Certificate& certificate) {
  OrderedJson json;
  json["subject"] = certificate.subject;
  json["issuer"] = certificate.issuer;
  json["serial"] = certificate.serial;
  json["not_before"] = certificate.not_before;
  json["not_after"] = certificate.not_after;
  json["key"] = name_of(certificate.key.curve);
  json["sha256"] = to_hex(sha256(certificate.der));
  json["authority"] = certificate.basic_constraints && certificate.basic_constraints->ca;
  if (certificate.basic_constraints && certificate.basic_constraints->path_length) {
    json["path_length"] = *certificate.basic_constraints->path_length;
  }
  return json;
}

OrderedJson document_json(const Document& document) {
  OrderedJson json;
  json["module_id"] = document.module_id;
  json["digest"] = document.digest;
  json["timestamp_ms"] = document.timestamp;
  json["pcrs"] = OrderedJson::object();
  for (const auto& [index, value] : document.pcrs) json["pcrs"][std::to_string(index)] = to_hex(value);
  json["public_key"] = hex_or_null(document.public_key);
  json["user_data"] = hex_or_null(document.user_data);
  json["nonce"] = hex_or_null(document.nonce);
  return json;
}

OrderedJson platform_json(const Platform& platform) {
  OrderedJson json = OrderedJson::object();
  if (platform.tcb) {
    OrderedJson& tcb = json["monitor"];
    tcb["vendor"] = platform.tcb->vendor;
    tcb["model"] = platform.tcb->model;
    tcb["version"] = platform.tcb->version;
    tcb["security_version"] = platform.tcb->security_version;
    tcb["layer"] = platform.tcb->layer;
    tcb["firmware_ids"] = OrderedJson::array();
    for (const Bytes& id : platform.tcb->firmware_ids) tcb["firmware_ids"].push_back(to_hex(id));
    tcb["debug"] = platform.tcb->debug;
  }
  if (platform.state) {
    OrderedJson& state = json["state"];
    state["platform_digest"] = to_hex(platform.state->bank_digest);
    state["launch_digest"] = to_hex(platform.state->launch_digest);
    state["ledger_head"] = to_hex(platform.state->ledger_head);
    state["ledger_records"] = platform.state->ledger_records;
    state["cores"] = platform.state->cores;
    state["memory"] = platform.state->memory;
    state["shared_memory"] = platform.state->shared_memory;
    for (const FlagMeaning& flag : platform_flags()) {
      state["flags"][std::string(flag.key)] = (platform.state->flags & flag.bit) != 0;
    }
  }
  if (!platform.registers.empty()) {
    for (const auto& [index, value] : platform.registers) json["pcrs"][std::to_string(index)] = to_hex(value);
    for (const PlatformEvent& event : platform.events) {
      json["events"].push_back(OrderedJson{{"pcr", event.pcr}, {"name", event.name}, {"digest", to_hex(event.digest)}});
    }
  }
  for (const LedgerRecord& record : platform.ledger) json["ledger"].push_back(describe(record));
  return json;
}

}  // namespace

OrderedJson report_json(const Report& report) {
  OrderedJson json;
  json["schema"] = 1;
  json["verdict"] = report.refused ? "refused" : "accepted";
  json["reason"] = report.refused ? OrderedJson(code_of(*report.refused)) : OrderedJson();
  json["message"] = report.refused ? OrderedJson(report.message) : OrderedJson();
  json["time"] = report.time;
  json["signature_valid"] = report.signature_valid;
  json["debug"] = report.debug;
  json["development"] = report.development;
  json["warnings"] = report.warnings;
  json["document"] = report.document ? document_json(*report.document) : OrderedJson();
  json["chain"] = OrderedJson::array();
  for (const Certificate& certificate : report.chain) json["chain"].push_back(certificate_json(certificate));
  json["platform"] = report.platform ? platform_json(*report.platform) : OrderedJson();
  return json;
}

}  // namespace cofferdam
