#include "tools/cofferdam/image/plain_tar.hpp"

#include <algorithm>
#include <optional>

#include "tools/cofferdam/image/tar_member.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t kTarBlock = 512;
constexpr std::size_t kMaxText = 1 << 20;  // of a pax header or a GNU long name

struct Field {
  std::size_t at, size;
};
// POSIX.1-2017, pax, "ustar Interchange Format".
constexpr Field kName{0, 100}, kMode{100, 8}, kUser{108, 8}, kGroup{116, 8}, kSize{124, 12}, kChecksum{148, 8}, kLink{157, 100},
    kMagic{257, 6}, kMajor{329, 8}, kMinor{337, 8}, kPrefix{345, 155};
constexpr std::size_t kType = 156;

std::string text_in(ByteView header, Field field) {
  const std::string_view text = as_text(header.subspan(field.at, field.size));
  return std::string(text.substr(0, text.find('\0')));
}

// What pax headers and GNU's long names say of the next member in place of its own header.
struct Overrides {
  std::optional<std::string> path, target;
  std::optional<std::uint64_t> size, user, group;
  bool attributes{};
};

class Archive {
 public:
  Archive(ByteView bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  [[noreturn]] void damaged(const char* what) const {
    throw Unreadable("can't read " + name_ + ": " + what + " at byte " + std::to_string(at_));
  }

  // The next header, or nothing at the end: a block of zeros, or the archive's last byte.
  [[nodiscard]] std::optional<ByteView> next_header() {
    if (at_ == bytes_.size()) return std::nullopt;
    if (bytes_.size() - at_ < kTarBlock) damaged("it ends inside of a header");
    const ByteView header = bytes_.subspan(at_, kTarBlock);
    if (std::ranges::all_of(header, [](std::uint8_t byte) { return byte == 0; })) return std::nullopt;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kTarBlock; ++i) {
      sum += i >= kChecksum.at && i < kChecksum.at + kChecksum.size ? std::uint64_t{' '} : header[i];
    }
    if (sum != number(header, kChecksum)) damaged("a header's checksum is wrong (no tar archive, or a damaged one)");
    at_ += kTarBlock;
    return header;
  }

  [[nodiscard]] ByteView content(std::uint64_t size) {
    if (size > bytes_.size() - at_) damaged("it ends inside of a file");
    const ByteView found = bytes_.subspan(at_, static_cast<std::size_t>(size));
    // The last file's padding may be missing.
    at_ += std::min<std::size_t>(static_cast<std::size_t>((size + kTarBlock - 1) / kTarBlock * kTarBlock), bytes_.size() - at_);
    return found;
  }
  [[nodiscard]] std::string text(std::uint64_t size) {
    if (size > kMaxText) damaged("a name or pax header is too long");
    return std::string(as_text(content(size)));
  }

  // Octal digits between blanks, or GNU's binary numbers: the first bit set, big-endian.
  [[nodiscard]] std::uint64_t number(ByteView header, Field field) const {
    const ByteView bytes = header.subspan(field.at, field.size);
    std::uint64_t value = 0;
    if ((bytes[0] & 0x80) != 0) {
      if ((bytes[0] & 0x7F) != 0) damaged("a number is negative or too large");
      for (const std::uint8_t byte : bytes.subspan(1)) {
        if (value >> 55 != 0) damaged("a number is too large");
        value = value << 8 | byte;
      }
      return value;
    }
    std::string_view text = as_text(bytes);
    text = text.substr(0, text.find('\0'));
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    for (const char digit : text) {
      if (digit < '0' || digit > '7') damaged("a number has other digits than octal ones");
      value = value << 3 | static_cast<std::uint64_t>(digit - '0');  // 12 digits at most
    }
    return value;
  }

  // "LENGTH KEY=VALUE\n" ...; the length counts itself.
  void pax(std::string_view records, Overrides& overrides) const {
    while (!records.empty()) {
      std::size_t length = 0, digits = 0;
      for (; digits < 8 && digits < records.size() && records[digits] >= '0' && records[digits] <= '9'; ++digits) {
        length = length * 10 + static_cast<std::size_t>(records[digits] - '0');
      }
      if (digits == 0 || length > records.size() || length < digits + 3 || records[digits] != ' ' || records[length - 1] != '\n') {
        damaged("a pax header is malformed");
      }
      const std::string_view record = records.substr(digits + 1, length - digits - 2);
      const std::size_t equals = record.find('=');
      if (equals == record.npos) damaged("a pax header is malformed");
      one(record.substr(0, equals), record.substr(equals + 1), overrides);
      records.remove_prefix(length);
    }
  }

 private:
  void one(std::string_view key, std::string_view value, Overrides& overrides) const {
    if (key == "path") overrides.path = value;
    if (key == "linkpath") overrides.target = value;
    if (key == "size") overrides.size = decimal(value);
    if (key == "uid") overrides.user = decimal(value);
    if (key == "gid") overrides.group = decimal(value);
    if (key.starts_with("SCHILY.xattr.") || key.starts_with("LIBARCHIVE.xattr.")) overrides.attributes = true;
    if (key.starts_with("GNU.sparse.")) damaged("it has a sparse file; pack it without --sparse");
  }
  [[nodiscard]] std::uint64_t decimal(std::string_view text) const {
    std::uint64_t value = 0;
    if (text.empty() || text.size() > 18) damaged("a pax header's number is malformed");
    for (const char digit : text) {
      if (digit < '0' || digit > '9') damaged("a pax header's number is malformed");
      value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    return value;
  }

  ByteView bytes_;
  const std::string& name_;
  std::size_t at_{};
};

MemberKind kind_of(char type, const std::string& path, const std::string& name) {
  switch (type) {
    case '\0': return path.ends_with('/') ? MemberKind::kFolder : MemberKind::kFile;  // before POSIX
    case '0':
    case '7': return MemberKind::kFile;
    case '1': return MemberKind::kHardLink;
    case '2': return MemberKind::kLink;
    case '3': return MemberKind::kCharacterDevice;
    case '4': return MemberKind::kBlockDevice;
    case '5': return MemberKind::kFolder;
    case '6': return MemberKind::kPipe;
    default: throw Unreadable(name + ": '" + path + "' is of a kind that a ramdisk can't hold");
  }
}

std::string path_in(ByteView header) {
  const std::string name = text_in(header, kName);
  const bool posix = as_text(header.subspan(kMagic.at, kMagic.size)) == std::string_view("ustar\0", 6);  // GNU has other things there
  const std::string prefix = posix ? text_in(header, kPrefix) : std::string();
  return prefix.empty() ? name : prefix + '/' + name;
}

std::string without_nul(std::string text) { return text.substr(0, text.find('\0')); }

}  // namespace

void read_plain_tar(ByteView bytes, const std::string& name, ReadAttributes attributes, FileTree& tree,
                    std::vector<std::string>& warnings) {
  if (is_packed(bytes)) throw Unreadable(name + " is compressed; unpack it first (gunzip, xz -d, zstd -d)");
  Archive archive(bytes, name);
  std::size_t members = 0, with_attributes = 0;
  Overrides global, next;
  bool announced = false;  // a header said something of the next member
  while (const auto header = archive.next_header()) {
    const auto type = static_cast<char>((*header)[kType]);
    const std::uint64_t size = archive.number(*header, kSize);
    announced = type == 'x' || type == 'L' || type == 'K';
    switch (type) {
      case 'x': archive.pax(archive.text(size), next); continue;
      case 'g': archive.pax(archive.text(size), global); continue;
      case 'L': next.path = without_nul(archive.text(size)); continue;
      case 'K': next.target = without_nul(archive.text(size)); continue;
      default: break;
    }
    ++members;
    TarMember member{.path = next.path.value_or(global.path.value_or(path_in(*header))),
                     .target = next.target.value_or(text_in(*header, kLink)),
                     .mode = static_cast<std::uint32_t>(archive.number(*header, kMode))};
    member.owner = {.user = in_32_bits(next.user.value_or(archive.number(*header, kUser)), "owner", member.path, name),
                    .group = in_32_bits(next.group.value_or(archive.number(*header, kGroup)), "group", member.path, name)};
    member.kind = kind_of(type, member.path, name);
    if (member.kind == MemberKind::kCharacterDevice || member.kind == MemberKind::kBlockDevice) {
      member.device_major = in_32_bits(archive.number(*header, kMajor), "device", member.path, name);
      member.device_minor = in_32_bits(archive.number(*header, kMinor), "device", member.path, name);
    }
    if (member.kind == MemberKind::kFile) {
      const ByteView content = archive.content(next.size.value_or(size));
      member.content.assign(content.begin(), content.end());
    }
    if (next.attributes) ++with_attributes;
    lay_member(std::move(member), name, attributes, tree);
    next = {};
  }
  if (announced) archive.damaged("it ends behind a header that tells of another one");
  close_archive(name, members, with_attributes, warnings);
}

}  // namespace cofferdam
