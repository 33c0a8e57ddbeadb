#include "guests/enclave/wire/nsm_messages.hpp"

namespace nsm_wire {
namespace {

// Major types of CBOR (RFC 8949, section 3.1) that these messages use.
constexpr unsigned kUnsigned = 0, kBytes = 2, kText = 3, kArray = 4, kMap = 5;
constexpr char kFalse = '\xf4', kTrue = '\xf5', kNull = '\xf6';
constexpr std::size_t kMaxAnswer = 0x3000;
constexpr std::uint64_t kMaxListed = 64;

// Of the shortest form.
Text head(unsigned major, std::uint64_t value) {
  Text out;
  const auto put = [&](unsigned low) { out.push_back(static_cast<char>(major << 5 | low)); };
  int bytes = 0;
  if (value < 24) {
    put(static_cast<unsigned>(value));
  } else if (value < 0x100) {
    put(24), bytes = 1;
  } else if (value < 0x10000) {
    put(25), bytes = 2;
  } else {
    put(26), bytes = 4;
  }
  while (bytes-- > 0) out.push_back(static_cast<char>(value >> (8 * bytes)));
  return out;
}

Text text(std::string_view value) { return head(kText, value.size()) + Text(value); }
Text bytes(std::string_view value) { return head(kBytes, value.size()) + Text(value); }
Text bytes_or_null(std::optional<std::string_view> value) { return value ? bytes(*value) : Text(1, kNull); }
Text request(std::string_view name, std::uint64_t fields) { return head(kMap, 1) + text(name) + head(kMap, fields); }

// Takes what is expected off the front of an answer; once something was not there, nothing is good any more.
class Reader {
 public:
  explicit Reader(std::string_view left) : left_(left), good_(left.size() <= kMaxAnswer) {}

  Reader& expect(std::string_view literal) {
    if (good_ && left_.starts_with(literal)) {
      left_.remove_prefix(literal.size());
    } else {
      good_ = false;
    }
    return *this;
  }
  // A head of the shortest form.
  std::uint64_t number(unsigned major) {
    if (!good_ || left_.empty()) return fail();
    const unsigned first = static_cast<unsigned char>(left_[0]), low = first & 0x1f;
    const std::size_t more = low < 24 ? 0 : low == 24 ? 1 : low == 25 ? 2 : low == 26 ? 4 : 99;
    if (first >> 5 != major || left_.size() < 1 + more) return fail();
    std::uint64_t value = more == 0 ? low : 0;
    for (std::size_t at = 1; at <= more; ++at) value = value << 8 | static_cast<unsigned char>(left_[at]);
    if (head(major, value) != left_.substr(0, 1 + more)) return fail();
    left_.remove_prefix(1 + more);
    return value;
  }
  std::uint16_t small() {
    const std::uint64_t value = number(kUnsigned);
    if (value > 0xffff) fail();
    return static_cast<std::uint16_t>(value);
  }
  Text string(unsigned major) {
    const std::uint64_t size = number(major);
    if (!good_ || size > left_.size()) return fail(), Text();
    Text value(left_.substr(0, size));
    left_.remove_prefix(size);
    return value;
  }
  bool boolean() {
    const bool value = good_ && !left_.empty() && left_[0] == kTrue;
    if (!value) expect(std::string_view(&kFalse, 1));
    if (value) left_.remove_prefix(1);
    return value;
  }
  std::uint64_t fail() {
    good_ = false;
    return 0;
  }
  [[nodiscard]] bool done() const { return good_ && left_.empty(); }
  [[nodiscard]] bool good() const { return good_; }

 private:
  std::string_view left_;
  bool good_;
};

// {NAME: {KEY: bytes}}, `size` bytes of them, or any number for 0.
std::optional<Text> read_one(std::string_view answer, std::string_view name, std::string_view key, std::size_t size) {
  Reader reader(answer);
  Text value = reader.expect(request(name, 1) + text(key)).string(kBytes);
  if (!reader.done() || (size != 0 && value.size() != size)) return std::nullopt;
  return value;
}

}  // namespace

Text random_request() { return text("GetRandom"); }
Text description_request() { return text("DescribeNSM"); }
Text describe_pcr_request(std::uint16_t index) { return request("DescribePCR", 1) + text("index") + head(kUnsigned, index); }
Text extend_pcr_request(std::uint16_t index, std::string_view data) {
  return request("ExtendPCR", 2) + text("index") + head(kUnsigned, index) + text("data") + bytes(data);
}
Text lock_pcr_request(std::uint16_t index) { return request("LockPCR", 1) + text("index") + head(kUnsigned, index); }
Text lock_pcrs_request(std::uint16_t range) { return request("LockPCRs", 1) + text("range") + head(kUnsigned, range); }
Text attestation_request(std::optional<std::string_view> user_data, std::optional<std::string_view> nonce,
                         std::optional<std::string_view> public_key) {
  return request("Attestation", 3) + text("user_data") + bytes_or_null(user_data) + text("nonce") + bytes_or_null(nonce) +
         text("public_key") + bytes_or_null(public_key);
}

Text error_answer(std::string_view name) { return head(kMap, 1) + text("Error") + text(name); }
Text plain_answer(std::string_view name) { return text(name); }

std::optional<Text> read_random(std::string_view answer) {
  return read_one(answer, "GetRandom", "random", kRandomBytes);
}

std::optional<Pcr> read_pcr(std::string_view answer) {
  Reader reader(answer);
  Pcr pcr;
  pcr.locked = reader.expect(request("DescribePCR", 2) + text("lock")).boolean();
  pcr.value = reader.expect(text("data")).string(kBytes);
  if (!reader.done() || pcr.value.size() != kPcrBytes) return std::nullopt;
  return pcr;
}

std::optional<Text> read_extended(std::string_view answer) { return read_one(answer, "ExtendPCR", "data", kPcrBytes); }
std::optional<Text> read_document(std::string_view answer) { return read_one(answer, "Attestation", "document", 0); }

std::optional<Description> read_description(std::string_view answer) {
  Reader reader(answer);
  Description result;
  reader.expect(request("DescribeNSM", 7));
  result.version[0] = reader.expect(text("version_major")).small();
  result.version[1] = reader.expect(text("version_minor")).small();
  result.version[2] = reader.expect(text("version_patch")).small();
  result.module_id = reader.expect(text("module_id")).string(kText);
  result.max_pcrs = reader.expect(text("max_pcrs")).small();
  const std::uint64_t count = reader.expect(text("locked_pcrs")).number(kArray);
  if (count > kMaxListed) return std::nullopt;
  for (std::uint64_t index = 0; index < count && reader.good(); ++index) result.locked_pcrs.push_back(reader.small());
  result.digest = reader.expect(text("digest")).string(kText);
  if (!reader.done()) return std::nullopt;
  return result;
}

Text base64(std::string_view input) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Text out;
  for (std::size_t at = 0; at < input.size(); at += 3) {
    const std::string_view three = input.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t index = 0; index < 3; ++index) {
      bits = bits << 8 | (index < three.size() ? static_cast<unsigned char>(three[index]) : 0U);
    }
    for (std::size_t digit = 0; digit < 4; ++digit) {
      out.push_back(digit <= three.size() ? kDigits[bits >> (18 - 6 * digit) & 63] : '=');
    }
  }
  return out;
}

}  // namespace nsm_wire
