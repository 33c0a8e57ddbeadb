// Why a command failed: nitro-cli's error codes (aws-nitro-enclaves-cli src/common/mod.rs, NitroCliErrorEnum), which
// scripts know, with words of our own: what happened here and what to do about it.
//
// The code's number is the program's exit status.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace enclave_cli {

enum class ErrorCode : std::uint8_t {
  kUnspecified = 0,
  kMissingArgument = 1,
  kConflictingArgument = 2,
  kInvalidArgument = 3,
  kSocketPair = 4,
  kProcessSpawn = 5,
  kDaemonize = 6,
  kReadFromDisk = 7,
  kUnusableConnection = 8,
  kSocketClose = 9,
  kSocketConnectTimeout = 10,
  kSocket = 11,
  kEpoll = 12,
  kInotify = 13,
  kInvalidCommand = 14,
  kLockAcquire = 15,
  kThreadJoin = 16,
  kSerialization = 17,
  kFilePermissions = 18,
  kFileOperation = 19,
  kInvalidCpuConfiguration = 20,
  kNoSuchCpuInPool = 21,
  kInsufficientCpus = 22,
  kMalformedCpuId = 23,
  kCpu = 24,
  kNoSuchHugepageFlag = 25,
  kInsufficientMemoryRequested = 26,
  kInsufficientMemoryAvailable = 27,
  kInvalidEnclaveDescriptor = 28,
  kIoctl = 29,
  kImageLoadInfo = 30,
  kSetMemoryRegion = 31,
  kAddVcpu = 32,
  kEnclaveStart = 33,
  kMemoryOverflow = 34,
  kEifParsing = 35,
  kEnclaveBoot = 36,
  kEnclaveEventWait = 37,
  kCommandNotExecuted = 38,
  kProcessConnection = 39,
  kSocketPathNotFound = 40,
  kSendReply = 41,
  kMap = 42,
  kUnmap = 43,
  kConsoleConnection = 44,
  kConsoleRead = 45,
  kConsoleWrite = 46,
  kIntegerParsing = 47,
  kEifBuilding = 48,
  kDockerImageBuild = 49,
  kDockerImagePull = 50,
  kArtifactsPathNotSet = 51,
  kBlobsPathNotSet = 52,
  kClockSkew = 53,
  kSignalMasking = 54,
  kSignalUnmasking = 55,
  kLogger = 56,
  kHasher = 57,
  kEnclaveNaming = 58,
  kEifSignatureChecker = 59,
  kEifSigning = 60,
};
inline constexpr int kErrorCodeCount = 61;

[[nodiscard]] std::string name_of(ErrorCode code);              // "E26"
[[nodiscard]] std::string_view title_of(ErrorCode code);        // one line, without a full stop
[[nodiscard]] std::string_view explanation_of(ErrorCode code);  // when it comes and what to do: for `explain`
// "E26", "e26" or "26".
[[nodiscard]] std::optional<ErrorCode> code_named(std::string_view name);

class Failure : public std::runtime_error {
 public:
  // what: what happened here, one sentence. mend: what to do; may be empty.
  Failure(ErrorCode code, const std::string& what, std::string mend = {})
      : std::runtime_error(what), code_(code), mend_(std::move(mend)) {}

  [[nodiscard]] ErrorCode code() const { return code_; }
  [[nodiscard]] const std::string& mend() const { return mend_; }
  [[nodiscard]] const std::vector<std::string>& details() const { return details_; }
  Failure& add_detail(std::string line) {  // shown below, one line each
    details_.push_back(std::move(line));
    return *this;
  }

 private:
  ErrorCode code_;
  std::string mend_;
  std::vector<std::string> details_;
};

// All that a person is shown, ending in a newline:
//   [ E27 ] Insufficient memory available. What happened.
//   What to do: ...
//     detail
[[nodiscard]] std::string text_of(const Failure& failure);

}  // namespace enclave_cli
