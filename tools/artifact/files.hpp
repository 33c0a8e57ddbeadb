// Files of any size on the host, read and written piece by piece.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tools/artifact/message_format.hpp"

namespace artifact {

// Throws cofferdam::Unreadable. "-" is standard input.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> out);
  [[nodiscard]] std::uint64_t size() const { return size_; }  // 0: not known
  [[nodiscard]] Source source();

 private:
  std::string path_;
  int file_;
  std::uint64_t size_{};
};

// Written beside its place and renamed by keep(): without that, what was there stays and nothing new is left.
class OutputFile {
 public:
  enum class Readers : std::uint8_t { kOwner, kByUmask };
  OutputFile(std::string path, Readers readers);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void write(ByteView bytes);
  void keep();  // after its bytes are on the disk

 private:
  std::string path_, beside_;
  int file_;
};

// Says on standard error how far a long work is: nothing in the first two seconds, then once in a second on a terminal
// and once in ten elsewhere.
class Progress {
 public:
  Progress(std::string what, std::uint64_t total);
  ~Progress();
  void at(std::uint64_t bytes);

 private:
  std::string what_;
  std::uint64_t total_;
  std::int64_t next_;  // milliseconds of a steady clock
  std::int64_t start_;
  bool terminal_, spoke_{};
};

}  // namespace artifact
