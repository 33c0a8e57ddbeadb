// What the ROM hands to the monitor, and the signed manifest that the ROM checks first.
//
// Both are plain little-endian structs without padding. The ROM writes the handover to the first frames of the
// monitor's RAM after its image (linker symbol __handover_start); the monitor copies it and wipes the place.
#pragma once

#include <array>
#include <cstdint>

namespace measure {

using Digest = std::array<std::uint8_t, 48>;  // SHA-384

// ---- Manifest: lies in front of the monitor's image in the firmware package --------------------------------
inline constexpr std::uint64_t kManifestMagic = 0x31'4d'4d'44'46'46'4f'43;  // "COFFDMM1" read as little-endian
inline constexpr std::uint32_t kManifestVersion = 1;

struct Manifest {                             // 4096 bytes in flash, zero after the fields
  std::uint64_t magic;
  std::uint32_t version;                      // of this format
  std::uint32_t security_version;             // compared with the ROM's minimum: no rollback
  std::uint64_t image_size;                   // bytes, the flat image follows at +4096; multiple of 16
  std::uint64_t load_address;                 // must be the board's monitor base
  std::uint64_t entry;                        // inside the image
  Digest image_digest;                        // SHA-384 over the image
  Digest board_digest;                        // board::kBoard.digest of the image
  std::array<char, 32> name;                  // for people, NUL padded
  std::array<std::uint8_t, 97> signer;        // public key, uncompressed P-384 point; its SHA-384 lies in the identity
  std::array<std::uint8_t, 7> reserved;       // zero
  std::array<std::uint8_t, 96> signature;     // ECDSA P-384 r||s over all bytes before it
};

// ---- Event log entry: as the ROM starts it and the monitor goes on -----------------------------------------
inline constexpr std::uint32_t kPlatformPcrCount = 8;
enum class PlatformPcr : std::uint32_t {
  kRom = 0,          // the ROM's own code and the firmware signer's key digest
  kMonitor = 1,      // the monitor's image and its security version
  kBoard = 2,        // the board description's digest
  kDeviceTree = 3,   // device trees handed to partitions
  kParentKernel = 4,
  kParentInitrd = 5,
  kParentCommandLine = 6,
  kConfiguration = 7,  // launch configuration: debug-capable build, protections that are on
};
struct Event {
  std::uint32_t pcr;
  std::array<char, 28> name;  // NUL padded, for people: "rom", "monitor" ...
  Digest digest;              // PCR := SHA-384(PCR || digest)
};

// ---- Handover ---------------------------------------------------------------------------------------------
inline constexpr std::uint64_t kHandoverMagic = 0x32'56'4f'48'46'46'4f'43;  // "COFFHOV2": the digit counts layouts
inline constexpr std::uint64_t kMaxMemory = std::uint64_t{1} << 39;  // bytes: what stage 2 can map
inline constexpr std::uint32_t kMaxHandoverEvents = 8;
inline constexpr std::uint32_t kMaxChainCertificates = 4;   // root, manufacturer, device, monitor, in this order
inline constexpr std::uint32_t kMaxCertificateSize = 1024;  // a document's cabundle entry holds no more

struct Certificate {
  std::uint32_t size;
  std::array<std::uint8_t, kMaxCertificateSize> der;
};

struct Handover {
  std::uint64_t magic;
  std::uint32_t development;         // 1: the identity is a development one
  std::uint32_t event_count;
  std::array<Event, kMaxHandoverEvents> events;
  std::array<std::uint8_t, 48> cdi;  // DICE compound device identifier of the monitor: secret
  std::uint32_t certificate_count;
  std::uint32_t reserved;
  std::array<Certificate, kMaxChainCertificates> chain;  // the last one certifies the key derived from `cdi`
  std::array<char, 32> device_id;    // for module_id, e.g. "i-0123456789abcdef0", NUL padded
  std::uint64_t memory_bytes;        // from the board's lowest address of RAM to the end of the machine's; whole frames
};
static_assert(sizeof(Handover) % 8 == 0, "no padding");

}  // namespace measure
