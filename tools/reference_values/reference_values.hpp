// What the first three platform PCRs must be when a device booted these files honestly.
//
// Computed with the ROM's own functions (firmware/rom/boot_measurements.hpp) from what anybody can build: no secret
// and no vendor's list goes in. The later PCRs depend on what the parent runs and are not platform values.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "firmware/rom/boot_measurements.hpp"
#include "tools/provision/bytes_and_files.hpp"

namespace reference_values {

struct BuiltFiles {
  provision::Bytes rom;      // rom.bin; shorter than 256 KiB: the flash holds 0xff behind it
  provision::Bytes monitor;  // monitor.bin; the package pads it with zeroes to a multiple of 16
  measure::Digest board_digest{};
  std::uint32_t security_version{};
  std::array<std::uint8_t, 97> firmware_signer{};  // public point
};

struct ReferenceValue {
  std::uint32_t pcr{};
  std::string name;
  measure::Digest event{};  // what the boot extends
  measure::Digest value{};  // what the PCR shows: SHA-384(48 zero bytes || event)
};
struct ReferenceValues {
  std::uint32_t security_version{};
  std::array<ReferenceValue, rom::kBootEvents> platform;
};

// Throws provision::ProvisionError when a file can't be what it is said to be.
[[nodiscard]] ReferenceValues compute(const BuiltFiles& files);

// {"format": 1, "security_version": N, "platform_pcrs": {"0": HEX, ...}, "events": [{"pcr", "name", "digest"}, ...]}
[[nodiscard]] std::string to_json(const ReferenceValues& values);

// Concise Reference Integrity Manifest, unsigned (draft-ietf-rats-corim; CDDL of its repository): CBOR tag 501 around
// one CoMID (tag 506). Mapping: one reference triple; its environment is class {vendor "Cofferdam", model "platform"};
// one measurement for each PCR: mkey = the PCR's number, digests = [[7 (sha-384), value]], name = the event's name,
// and on the monitor's PCR svn = 552(security version). Deterministic (RFC 8949 4.2.1).
[[nodiscard]] provision::Bytes to_corim(const ReferenceValues& values);

}  // namespace reference_values
