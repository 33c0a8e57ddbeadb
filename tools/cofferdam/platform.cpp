#include "tools/cofferdam/platform.hpp"

#include <algorithm>

#include "firmware/measure/ledger.hpp"

namespace cofferdam {

static_assert(kLedgerRecordSize == sizeof(measure::LedgerRecord));

namespace {

constexpr std::uint64_t kDebugEnclave = 1U << 0U;
constexpr std::uint64_t kDevelopmentIdentity = 1U << 1U;
constexpr std::array<FlagMeaning, 8> kFlags{{
    {kDebugEnclave, "debug_enclave", "debug enclave: it has a console, its PCR0, 1, 2 and 8 are zero", ""},
    {kDevelopmentIdentity, "development_identity", "development identity: the device's keys are known", ""},
    {1U << 2U, "smmu_active", "every bus master is confined by an SMMU", "no SMMU: devices are not confined"},
    {1U << 3U, "secret_behind_rom", "the device secret is out of the monitor's reach",
     "the monitor could reach the device secret"},
    {1U << 4U, "repeat_tlbi", "TLB invalidation is done twice, as this core needs it", ""},
    {1U << 5U, "memory_exclusive", "the enclave's memory is shared with nobody but through its channels",
     "the enclave's memory is not exclusively its own"},
    {1U << 6U, "pointer_authentication", "the monitor runs with pointer authentication", ""},
    {1U << 7U, "branch_targets", "the monitor runs with branch target identification", ""},
}};

constexpr int context(int number) { return 0x80 | number; }
constexpr int constructed_context(int number) { return 0xa0 | number; }

Bytes digest_in(DerReader& reader) {
  const ByteView value = reader.take(kDerOctetString);
  if (value.size() != 48) throw CryptoError("a digest that is not 48 bytes");
  return {value.begin(), value.end()};
}

// TCG DICE Attestation Architecture 1.1, section 6.1.1; every field is optional there.
TcbInfo read_tcb_info(ByteView der) {
  TcbInfo info;
  DerReader outer(der);
  DerReader reader(outer.take(kDerSequence));
  if (!outer.at_end()) throw CryptoError("bytes follow after it");
  const auto text = [&](int number, std::string& target) {
    if (reader.next_tag() == context(number)) target = printable(reader.take(context(number)));
  };
  text(0, info.vendor);
  text(1, info.model);
  text(2, info.version);
  if (reader.next_tag() == context(3)) info.security_version = reader.unsigned_integer(context(3));
  if (reader.next_tag() == context(4)) info.layer = reader.unsigned_integer(context(4));
  if (reader.next_tag() == context(5)) (void)reader.unsigned_integer(context(5));  // index
  if (reader.next_tag() == constructed_context(6)) {
    DerReader list(reader.take(constructed_context(6)));
    while (!list.at_end()) {
      DerReader entry(list.take(kDerSequence));
      (void)entry.take(kDerObjectIdentifier);
      const ByteView digest = entry.take(kDerOctetString);
      info.firmware_ids.emplace_back(digest.begin(), digest.end());
    }
  }
  if (reader.next_tag() == context(7)) {
    const ByteView flags = reader.take(context(7));
    if (flags.size() != 2) throw CryptoError("malformed flags");
    info.not_secure = (flags[1] & 0x40) != 0;
    info.debug = (flags[1] & 0x10) != 0;
  }
  return info;
}

PlatformState read_state(ByteView der) {
  PlatformState state;
  DerReader outer(der);
  DerReader reader(outer.take(kDerSequence));
  if (!outer.at_end()) throw CryptoError("bytes follow after it");
  if (reader.unsigned_integer(kDerInteger) != 1) throw CryptoError("a version that this program does not know");
  state.bank_digest = digest_in(reader);
  state.launch_digest = digest_in(reader);
  state.ledger_head = digest_in(reader);
  state.ledger_records = reader.unsigned_integer(kDerInteger);
  state.flags = reader.unsigned_integer(kDerInteger);
  state.cores = reader.unsigned_integer(kDerInteger);
  state.memory = reader.unsigned_integer(kDerInteger);
  state.shared_memory = reader.unsigned_integer(kDerInteger);
  if (!reader.at_end()) throw CryptoError("more fields than version 1 has");
  return state;
}

std::uint64_t little_endian(ByteView bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = (value << 8) | bytes[offset + i];
  return value;
}

std::vector<PlatformEvent> read_events(ByteView log) {
  std::vector<PlatformEvent> events;
  for (std::size_t at = 0; at < log.size(); at += sizeof(measure::Event)) {
    const ByteView record = log.subspan(at, sizeof(measure::Event));
    PlatformEvent event;
    event.pcr = static_cast<unsigned>(little_endian(record, offsetof(measure::Event, pcr), 4));
    ByteView name = record.subspan(offsetof(measure::Event, name), sizeof(measure::Event::name));
    name = name.first(static_cast<std::size_t>(std::find(name.begin(), name.end(), 0) - name.begin()));
    event.name = printable(name);
    const ByteView digest = record.subspan(offsetof(measure::Event, digest), sizeof(measure::Event::digest));
    event.digest.assign(digest.begin(), digest.end());
    if (event.pcr >= measure::kPlatformPcrCount) {
      throw Refusal(Reason::kEventLog, "event " + std::to_string(events.size()) + " names register " +
                                           std::to_string(event.pcr) + ", there are 8");
    }
    events.push_back(std::move(event));
  }
  return events;
}

std::map<unsigned, Bytes> replay(const std::vector<PlatformEvent>& events) {
  std::array<Digest384, measure::kPlatformPcrCount> bank{};
  for (const PlatformEvent& event : events) bank[event.pcr] = extend(bank[event.pcr], event.digest);
  std::map<unsigned, Bytes> registers;
  for (unsigned i = 0; i < bank.size(); ++i) registers[i] = Bytes(bank[i].begin(), bank[i].end());
  return registers;
}

Digest384 bank_digest(const std::map<unsigned, Bytes>& registers) {
  Bytes all;
  for (const auto& [index, value] : registers) all.insert(all.end(), value.begin(), value.end());
  return sha384(all);
}

// Whoever has the monitor's key signs leaves, and so the registers' digest; what the monitor is, the ROM has signed.
// Both must say the same (docs/attestation-format.md, sections 3.1 and 4): an older monitor that was taken over would
// state the registers of a newer one.
void check_named_by_rom(const std::map<unsigned, Bytes>& registers, const std::optional<TcbInfo>& tcb) {
  if (!tcb || tcb->firmware_ids.size() != 2 || tcb->security_version > UINT32_MAX) {
    throw Refusal(Reason::kPlatform,
                  "no certificate above the leaf says which monitor it is, for which board (TcbInfo)");
  }
  Bytes monitor = tcb->firmware_ids[0];
  for (unsigned i = 0; i < 4; ++i) monitor.push_back(static_cast<std::uint8_t>(tcb->security_version >> (8 * i)));
  const auto compare = [&registers](measure::PlatformPcr pcr, ByteView event) {
    const auto index = static_cast<unsigned>(pcr);
    const Digest384 named = extend({}, event);
    if (!equal(named, registers.at(index))) {
      throw Refusal(Reason::kPlatform, "platform PCR" + std::to_string(index) + " is " +
                                           to_hex(registers.at(index)).substr(0, 16) +
                                           "..., the certificates above the leaf (TcbInfo) make it " +
                                           to_hex(named).substr(0, 16) + "...");
    }
  };
  compare(measure::PlatformPcr::kMonitor, sha384(monitor));
  compare(measure::PlatformPcr::kBoard, tcb->firmware_ids[1]);
}

void check_event_log(Platform& platform, ByteView log) {
  platform.events = read_events(log);
  std::map<unsigned, Bytes> registers = replay(platform.events);
  if (!equal(bank_digest(registers), platform.state->bank_digest)) {
    throw Refusal(Reason::kEventLog, "the event log does not replay to the platform registers that the leaf states");
  }
  check_named_by_rom(registers, platform.tcb);
  platform.registers = std::move(registers);
}

void check_security_version(const std::optional<Platform>& platform, std::uint64_t least, const std::string& source) {
  if (!platform || !platform->tcb) {
    throw Refusal(Reason::kPlatform, "the certificates name no security version, " + source + " asks for " +
                                         std::to_string(least) + " or more");
  }
  if (platform->tcb->security_version >= least) return;
  throw Refusal(Reason::kPlatform, "the monitor's security version is " +
                                       std::to_string(platform->tcb->security_version) + ", " + source + " asks for " +
                                       std::to_string(least) + " or more");
}

void check_ledger(Platform& platform, ByteView ledger) {
  constexpr std::size_t kSize = sizeof(measure::LedgerRecord);
  const std::uint64_t stated = platform.state->ledger_records;
  const std::size_t given = ledger.size() / kSize;
  if (given < stated) {
    throw Refusal(Reason::kLedger, "the leaf counts " + std::to_string(stated) + " ledger records, the file has " +
                                       std::to_string(given));
  }
  for (std::size_t i = 0; i < given; ++i) {
    const ByteView bytes = ledger.subspan(i * kSize, kSize);
    LedgerRecord record;
    record.sequence = little_endian(bytes, offsetof(measure::LedgerRecord, sequence), 8);
    record.kind = bytes[offsetof(measure::LedgerRecord, kind)];
    record.from = bytes[offsetof(measure::LedgerRecord, from)];
    record.to = bytes[offsetof(measure::LedgerRecord, to)];
    record.detail = little_endian(bytes, offsetof(measure::LedgerRecord, detail), 4);
    record.first = little_endian(bytes, offsetof(measure::LedgerRecord, first), 8);
    record.count = little_endian(bytes, offsetof(measure::LedgerRecord, count), 8);
    if (record.sequence != i) {
      throw Refusal(Reason::kLedger, "ledger record " + std::to_string(i) + " has the number " +
                                         std::to_string(record.sequence));
    }
    if (i < stated) platform.ledger.push_back(record);  // what came after the leaf was issued is not attested
  }
  if (!equal(sha384(ledger.first(static_cast<std::size_t>(stated) * kSize)), platform.state->ledger_head)) {
    throw Refusal(Reason::kLedger, "the ledger's records do not hash to the head that the leaf states");
  }
}

// Without an event log a policy can still be checked when it fixes all eight registers at one value each.
void check_platform_policy(const Platform& platform, const Policy& policy) {
  if (!platform.registers.empty()) {
    check_registers(policy.platform, platform.registers, Reason::kPlatform, "platform PCR", policy.source);
    return;
  }
  std::map<unsigned, Bytes> registers;
  for (const auto& [index, values] : policy.platform) {
    if (values.size() == 1) registers[index] = values[0];
  }
  if (registers.size() != measure::kPlatformPcrCount || policy.platform.size() != measure::kPlatformPcrCount) {
    throw Refusal(Reason::kPlatform, policy.source + " asks for platform registers, the document states only the digest "
                                                     "of all eight; give the machine's log with --event-log");
  }
  if (!equal(bank_digest(registers), platform.state->bank_digest)) {
    throw Refusal(Reason::kPlatform, "the platform registers are not those of " + policy.source);
  }
  check_named_by_rom(registers, platform.tcb);
}

}  // namespace

std::span<const FlagMeaning> platform_flags() { return kFlags; }

Bytes evidence_bytes(ByteView input, std::size_t record_size, const std::string& path) {
  std::string text;
  for (const char c : as_text(input)) {
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') text += c;
  }
  Bytes bytes(input.begin(), input.end());
  if (const std::optional<Bytes> decoded = from_hex(text)) bytes = *decoded;
  if (bytes.empty() || bytes.size() % record_size != 0) {
    throw Unreadable(path + ": expected records of " + std::to_string(record_size) +
                     " bytes, raw or in hexadecimal, as the monitor's calls give them");
  }
  return bytes;
}

bool is_development(const std::vector<Certificate>& chain) {
  return std::any_of(chain.begin(), chain.end(), [](const Certificate& certificate) {
    const bool named = certificate.extension(kOidDevelopment) != nullptr || std::any_of(
        certificate.subject_attributes.begin(), certificate.subject_attributes.end(), [](const auto& attribute) {
          return attribute.first == "organizationalUnitName" && attribute.second == "DEVELOPMENT";
        });
    try {
      const Extension* tcb = certificate.extension(kOidTcbInfo);
      const Extension* state = certificate.extension(kOidPlatformState);
      return named || (tcb != nullptr && read_tcb_info(tcb->value).not_secure) ||
             (state != nullptr && (read_state(state->value).flags & kDevelopmentIdentity) != 0);
    } catch (const CryptoError&) {
      return named;  // read_platform() refuses it
    }
  });
}

std::optional<Platform> read_platform(const std::vector<Certificate>& chain) {
  Platform platform;
  try {
    for (const Certificate& certificate : chain) {
      // The last one speaks of the monitor; those before it of earlier stages.
      if (const Extension* extension = certificate.extension(kOidTcbInfo)) {
        // Whoever has the monitor's key signs leaves: what the monitor is, only the stage before it can say.
        if (&certificate == &chain.back()) {
          throw Refusal(Reason::kPlatform, "the leaf itself says what the monitor is (TcbInfo), which only the certificates above it may");
        }
        platform.tcb = read_tcb_info(extension->value);
      }
    }
    if (const Extension* extension = chain.back().extension(kOidPlatformState)) {
      platform.state = read_state(extension->value);
    }
  } catch (const CryptoError& error) {
    throw Refusal(Reason::kPlatform, std::string("what the certificates say about the platform is malformed: ") +
                                         error.what());
  }
  if (!platform.tcb && !platform.state) return std::nullopt;
  return platform;
}

std::optional<Platform> check_platform(const std::optional<Platform>& stated, const PlatformEvidence& evidence,
                                       const std::vector<Policy>& policies, bool debug) {
  std::optional<Platform> platform = stated;
  if (platform && platform->state && ((platform->state->flags & kDebugEnclave) != 0) != debug) {
    throw Refusal(Reason::kPlatform, "the leaf and the registers contradict each other about debug mode");
  }
  for (const Policy& policy : policies) {
    if (policy.min_security_version) check_security_version(platform, *policy.min_security_version, policy.source);
  }
  const bool asked = evidence.event_log || evidence.ledger ||
                     std::any_of(policies.begin(), policies.end(), [](const Policy& p) { return !p.platform.empty(); });
  if (!asked) return platform;
  if (!platform || !platform->state) {
    throw Refusal(Reason::kPlatform, "the document states nothing about its platform: it is not by a Cofferdam monitor");
  }
  if (evidence.event_log) check_event_log(*platform, *evidence.event_log);
  if (evidence.ledger) check_ledger(*platform, *evidence.ledger);
  for (const Policy& policy : policies) {
    if (!policy.platform.empty()) check_platform_policy(*platform, policy);
  }
  return platform;
}

std::string describe(const LedgerRecord& record) {
  const auto party = [](unsigned number) {
    return number == 0 ? std::string("monitor") : number == 1 ? "parent" : "enclave " + std::to_string(number - 2);
  };
  const std::string frames = std::to_string(record.count) + " frames from frame " + std::to_string(record.first);
  const std::string both = " " + party(record.from) + " -> " + party(record.to);
  switch (static_cast<measure::LedgerKind>(record.kind)) {
    case measure::LedgerKind::kDonate: return "donate" + both + ": " + frames;
    case measure::LedgerKind::kReclaim: return "reclaim" + both + ": " + frames + ", scrubbed";
    case measure::LedgerKind::kShare: return "share" + both + ": " + frames + ", channel " + std::to_string(record.detail);
    case measure::LedgerKind::kUnshare: return "unshare" + both + ": " + frames;
    case measure::LedgerKind::kCoreDonate: return "core " + std::to_string(record.detail) + both;
    case measure::LedgerKind::kCoreReclaim: return "core " + std::to_string(record.detail) + " back" + both;
    case measure::LedgerKind::kDeviceAssign: return "device stream " + std::to_string(record.detail) + both;
    case measure::LedgerKind::kDeviceRelease: return "device stream " + std::to_string(record.detail) + " back" + both;
    case measure::LedgerKind::kEnclaveStart:
      return "start of " + party(record.to) + (record.detail != 0 ? ", flags " + std::to_string(record.detail) : "");
    case measure::LedgerKind::kEnclaveStop: return "stop of " + party(record.from);
  }
  return "kind " + std::to_string(record.kind) + both;
}

std::string_view meaning_of_platform_pcr(unsigned index) {
  switch (index) {
    case 0: return "ROM and the firmware signer's key";
    case 1: return "monitor image and security version";
    case 2: return "board description";
    case 3: return "device trees";
    case 4: return "parent's kernel";
    case 5: return "parent's initrd";
    case 6: return "parent's command line";
    case 7: return "launch configuration";
    default: return "";
  }
}

}  // namespace cofferdam
