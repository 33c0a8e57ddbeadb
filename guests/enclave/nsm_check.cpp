// Exercises /dev/nsm as a program of an enclave can, and says of each demand whether it holds (TAP). Uses up PCR16 and PCR17.
//
//   nsm-check [--debug]              checks everything; 0 when all holds, 1 when not. --debug: PCR0 to PCR2 have to be zero
//   nsm-check --document [FIELD...]  prints an attestation document as base64
//   nsm-check --send-document PORT [FIELD...]   sends it, as it is, to CID 3 PORT
//     FIELD: --user-data HEX, --nonce HEX, --public-key HEX
#include <sys/random.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "guests/enclave/nsm_device.hpp"
#include "guests/enclave/wire/hexadecimal.hpp"
#include "guests/enclave/wire/nsm_messages.hpp"

namespace {

using enclave::NsmDevice;
using nsm_wire::from_hex;
using nsm_wire::hex;
using nsm_wire::Text;

constexpr unsigned kParentCid = 3;
constexpr std::uint16_t kPcrs = 32, kLockedAtBoot = 16, kUsed = 16;
constexpr std::size_t kField = 1024;

// PCR16 after each of three extensions from zero: 010203, nothing, 3000 bytes 5a; each SHA-384(old || data), computed elsewhere.
constexpr const char* kExtended[] = {
    "cb178fcd3f328244c05c6248723fd068b3a1dda878e1ab8be911098f199958add55d0c27f04826d27b44d949a650694e",
    "c02fc6fdb7015101d21881cea314872c941b60b58403387b4d1afb13f9797567b0b4c30bcd0c82bec4354d6ac29322dd",
    "cbdf054c38b0949687a7188c351b9eeb3847841404447928ce646d238943cb168edf9d9f7b5a39ba72dfa2d795cfc6b2"};

int g_checks, g_failures;

[[gnu::format(printf, 2, 3)]] bool check(bool holds, const char* format, ...) {
  std::printf("%s %d - ", holds ? "ok" : "not ok", ++g_checks);
  std::va_list words;
  va_start(words, format);
  std::vprintf(format, words);
  va_end(words);
  std::printf("\n");
  std::fflush(stdout);
  if (!holds) ++g_failures;
  return holds;
}

bool zero(std::string_view bytes) { return bytes.find_first_not_of('\0') == bytes.npos; }

// What was answered instead, for the log.
void show(const Text& answer) { std::printf("# answered %zu bytes: %s\n", answer.size(), hex(answer.substr(0, 64)).c_str()); }

void expect(NsmDevice& nsm, const Text& request, const Text& answer, const char* what) {
  const Text given = nsm.ask(request);
  if (!check(nsm.error() == 0 && given == answer, "%s", what)) show(given);
}

Text random_bytes(std::size_t size) {
  Text bytes(size, '\0');
  if (::getrandom(bytes.data(), size, 0) != static_cast<ssize_t>(size)) bytes.assign(size, '\x42');
  return bytes;
}

void check_random(NsmDevice& nsm) {
  const Text one = nsm.ask(nsm_wire::random_request()), two = nsm.ask(nsm_wire::random_request());
  const auto first = nsm_wire::read_random(one), second = nsm_wire::read_random(two);
  if (!check(first.has_value() && second.has_value(), "GetRandom answers 256 bytes in the form that hwrng parses")) return show(one);
  check(*first != *second && !zero(*first), "two answers of GetRandom differ");
}

void check_description(NsmDevice& nsm, std::uint16_t locked) {
  const Text answer = nsm.ask(nsm_wire::description_request());
  const auto description = nsm_wire::read_description(answer);
  if (!check(description.has_value(), "DescribeNSM answers its seven fields in AWS's order")) return show(answer);
  std::printf("# module %s, version %u.%u.%u\n", description->module_id.c_str(), description->version[0], description->version[1],
              description->version[2]);
  check(description->max_pcrs == kPcrs && description->digest == "SHA384", "32 PCRs of SHA384");
  std::vector<std::uint16_t> expected;
  for (std::uint16_t index = 0; index < locked; ++index) expected.push_back(index);
  check(description->locked_pcrs == expected, "PCR0 to PCR%d are listed as locked, and no other", locked - 1);
  const std::size_t dash = description->module_id.rfind("-enc");
  check(dash != Text::npos && dash > 0 && description->module_id.size() == dash + 4 + 16 &&
            description->module_id.find_first_not_of("0123456789abcdef", dash + 4) == Text::npos,
        "the module's id ends in -enc and 16 hexadecimal digits");
}

void check_registers_at_boot(NsmDevice& nsm, bool debug) {
  for (std::uint16_t index = 0; index < kPcrs; ++index) {
    const Text answer = nsm.ask(nsm_wire::describe_pcr_request(index));
    const auto pcr = nsm_wire::read_pcr(answer);
    if (!check(pcr.has_value(), "DescribePCR %u answers lock and data", index)) {
      show(answer);
      continue;
    }
    std::printf("# PCR%u %s\n", index, hex(pcr->value).c_str());
    check(pcr->locked == (index < kLockedAtBoot), "PCR%u is %s", index, index < kLockedAtBoot ? "locked" : "open");
    if (index <= 2) check(zero(pcr->value) == debug, "PCR%u is %s", index, debug ? "zero, as a debug enclave's" : "a measurement");
    if (index == 4) check(!zero(pcr->value), "PCR4 names the parent");
    const bool may_be_set = index <= 4 || index == 8;
    if (!may_be_set) check(zero(pcr->value), "PCR%u is zero", index);
  }
}

void check_extension(NsmDevice& nsm) {
  const Text data[] = {Text("\x01\x02\x03"), Text(), Text(3000, '\x5a')};
  for (std::size_t step = 0; step < 3; ++step) {
    const Text answer = nsm.ask(nsm_wire::extend_pcr_request(kUsed, data[step]));
    const auto value = nsm_wire::read_extended(answer);
    if (!check(value && hex(*value) == kExtended[step], "extending PCR16 by %zu bytes hashes the raw bytes", data[step].size())) show(answer);
  }
  const auto pcr = nsm_wire::read_pcr(nsm.ask(nsm_wire::describe_pcr_request(kUsed)));
  check(pcr && !pcr->locked && hex(pcr->value) == kExtended[2], "DescribePCR shows what ExtendPCR answered");
}

void check_locks(NsmDevice& nsm) {
  const Text read_only = nsm_wire::error_answer("ReadOnlyIndex"), no_index = nsm_wire::error_answer("InvalidIndex");
  expect(nsm, nsm_wire::extend_pcr_request(0, "x"), read_only, "extending PCR0 is refused: ReadOnlyIndex");
  expect(nsm, nsm_wire::lock_pcr_request(0), read_only, "locking PCR0 again is refused: ReadOnlyIndex");
  expect(nsm, nsm_wire::extend_pcr_request(kPcrs, "x"), no_index, "extending PCR32 is refused: InvalidIndex");
  expect(nsm, nsm_wire::describe_pcr_request(kPcrs), no_index, "describing PCR32 is refused: InvalidIndex");
  expect(nsm, nsm_wire::lock_pcr_request(kPcrs), no_index, "locking PCR32 is refused: InvalidIndex");
  expect(nsm, nsm_wire::lock_pcr_request(kUsed), nsm_wire::plain_answer("LockPCR"), "PCR16 can be locked");
  expect(nsm, nsm_wire::lock_pcr_request(kUsed), read_only, "but not twice: ReadOnlyIndex");
  expect(nsm, nsm_wire::extend_pcr_request(kUsed, "x"), read_only, "nor extended then: ReadOnlyIndex");
  const auto pcr = nsm_wire::read_pcr(nsm.ask(nsm_wire::describe_pcr_request(kUsed)));
  check(pcr && pcr->locked && hex(pcr->value) == kExtended[2], "PCR16 is locked with its value");
  expect(nsm, nsm_wire::lock_pcrs_request(kPcrs + 1), no_index, "locking 33 registers is refused: InvalidIndex");
  for (const char* what : {"the first 18 registers can be locked", "and again"}) {
    expect(nsm, nsm_wire::lock_pcrs_request(kUsed + 2), nsm_wire::plain_answer("LockPCRs"), what);
  }
  const auto last = nsm_wire::read_pcr(nsm.ask(nsm_wire::describe_pcr_request(kUsed + 1)));
  const auto next = nsm_wire::read_pcr(nsm.ask(nsm_wire::describe_pcr_request(kUsed + 2)));
  check(last && last->locked && next && !next->locked, "of 18, PCR17 is locked and PCR18 is not");
}

void check_malformed(NsmDevice& nsm) {
  const Text invalid = nsm_wire::error_answer("InvalidOperation");
  const std::pair<Text, const char*> requests[] = {{Text(), "a request of no bytes"},
                                                   {Text("\xa0", 1), "an empty map"},
                                                   {Text("\x63" "Foo"), "an unknown name"},
                                                   {Text("\x6b" "DescribePCR"), "a request without its fields"},
                                                   {Text("\xa1\x6b" "DescribePCR\xa0"), "a map without the index"},
                                                   {Text("\xff\xff\xff"), "no CBOR"},
                                                   {Text("\x69" "GetRan"), "a text cut short"},
                                                   {Text(enclave::kNsmRequestMost, '\x81'), "4096 nested arrays"}};
  for (const auto& [request, what] : requests) {
    const Text name = Text(what) + " is refused: InvalidOperation";
    expect(nsm, request, invalid, name.c_str());
  }
  nsm.ask(Text(enclave::kNsmRequestMost + 1, '\0'));
  check(nsm.error() == EMSGSIZE, "a request of 4097 bytes is the driver's to refuse");
  const Text cut = nsm.ask(nsm_wire::random_request(), 10);
  check(nsm.error() == 0 && cut == Text("\xa1\x69" "GetRando"), "an answer is cut to a buffer of 10 bytes");
  const Text trailing = nsm.ask(nsm_wire::random_request() + Text(5, '\0'));
  check(nsm_wire::read_random(trailing) || trailing == invalid, "bytes behind a request are ignored, or refused");
}

void check_attestation(NsmDevice& nsm) {
  const Text fields[] = {random_bytes(kField), random_bytes(kField), random_bytes(kField)};
  const Text answer = nsm.ask(nsm_wire::attestation_request(fields[0], fields[1], fields[2]));
  const auto document = nsm_wire::read_document(answer);
  if (check(document.has_value(), "a document with three fields of 1024 bytes")) {
    check(document->starts_with(Text("\x84\x44\xa1\x01\x38\x22\xa0\x59", 8)), "it is a COSE_Sign1 of ES384, untagged");
    for (const Text& field : fields) check(document->find(field) != Text::npos, "it holds a field as it was given");
    std::printf("# %zu bytes\n", document->size());
  } else {
    show(answer);
  }
  const auto plain = nsm_wire::read_document(nsm.ask(nsm_wire::attestation_request(std::nullopt, std::nullopt, std::nullopt)));
  check(plain.has_value(), "a document without fields");
  const auto empty = nsm_wire::read_document(nsm.ask(nsm_wire::attestation_request("", "", std::nullopt)));
  check(empty.has_value(), "a document with empty fields");
  expect(nsm, nsm_wire::attestation_request(Text(kField + 1, 'u'), std::nullopt, std::nullopt), nsm_wire::error_answer("InputTooLarge"),
         "a field of 1025 bytes is refused: InputTooLarge");
}

void check_kernel_random() {
  char name[64] = "";
  if (std::FILE* file = std::fopen("/sys/class/misc/hw_random/rng_current", "r"); file != nullptr) {
    if (std::fgets(name, sizeof name, file) != nullptr) name[std::strcspn(name, "\n")] = '\0';
    std::fclose(file);
  }
  check(std::strcmp(name, "nsm-hwrng") == 0, "the kernel's random source is nsm-hwrng (it is '%s')", name);
  const int source = ::open("/dev/hwrng", O_RDONLY | O_CLOEXEC);
  char bytes[512] = {};
  std::size_t got = 0;
  for (int attempt = 0; source >= 0 && got < sizeof bytes && attempt < 64; ++attempt) {
    const ssize_t count = ::read(source, bytes + got, sizeof bytes - got);
    if (count > 0) got += static_cast<std::size_t>(count);
  }
  if (source >= 0) ::close(source);
  check(got == sizeof bytes && !zero(std::string_view(bytes, 256)) && std::memcmp(bytes, bytes + 256, 256) != 0,
        "/dev/hwrng gives 512 bytes that don't repeat");
}

int check_all(NsmDevice& nsm, bool debug) {
  check_description(nsm, kLockedAtBoot);
  check_random(nsm);
  check_registers_at_boot(nsm, debug);
  check_extension(nsm);
  check_locks(nsm);
  check_description(nsm, kUsed + 2);
  check_malformed(nsm);
  check_attestation(nsm);
  check_kernel_random();
  std::printf("1..%d\n", g_checks);
  if (g_failures == 0) {
    std::printf("nsm-check: all %d hold\n", g_checks);
  } else {
    std::printf("nsm-check: %d of %d do not hold\n", g_failures, g_checks);
  }
  return g_failures == 0 ? 0 : 1;
}

int send_to_parent(unsigned port, std::string_view bytes) {
  const int stream = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = kParentCid;
  address.svm_port = port;
  if (stream < 0 || ::connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::fprintf(stderr, "nsm-check: can't reach CID 3 port %u: %s; does the parent listen there?\n", port, std::strerror(errno));
    return 1;
  }
  while (!bytes.empty()) {
    const ssize_t count = ::send(stream, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) {
      std::fprintf(stderr, "nsm-check: sending the document: %s\n", std::strerror(errno));
      return 1;
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  ::shutdown(stream, SHUT_WR);
  char end = 0;
  [[maybe_unused]] const ssize_t closed = ::read(stream, &end, 1);  // until the parent has it all
  ::close(stream);
  return 0;
}

int usage() {
  std::fprintf(stderr, "usage: nsm-check [--debug] | --document [FIELD...] | --send-document PORT [FIELD...]\n"
                       "FIELD: --user-data HEX, --nonce HEX, --public-key HEX\n");
  return 2;
}

}  // namespace

int main(int count, char** words) {
  bool debug = false, print = false;
  unsigned port = 0;
  std::optional<Text> user_data, nonce, public_key;
  for (int index = 1; index < count; ++index) {
    const std::string_view word = words[index];
    const char* value = index + 1 < count ? words[index + 1] : nullptr;
    std::optional<Text>* field = word == "--user-data"    ? &user_data
                                 : word == "--nonce"      ? &nonce
                                 : word == "--public-key" ? &public_key
                                                          : nullptr;
    if (word == "--debug") {
      debug = true;
    } else if (word == "--document") {
      print = true;
    } else if (word == "--send-document" && value != nullptr && std::atoi(value) > 0) {
      port = static_cast<unsigned>(std::atoi(words[++index]));
    } else if (field != nullptr && value != nullptr && from_hex(value)) {
      *field = from_hex(words[++index]);
    } else {
      return usage();
    }
  }
  NsmDevice nsm;
  if (!nsm.is_open()) {
    std::fprintf(stderr, "nsm-check: can't open /dev/nsm: %s; is the module nsm loaded, and is this an enclave?\n", std::strerror(errno));
    return 1;
  }
  if (!print && port == 0) return check_all(nsm, debug);
  const Text answer = nsm.ask(nsm_wire::attestation_request(user_data, nonce, public_key));
  const auto document = nsm_wire::read_document(answer);
  if (!document) {
    std::fprintf(stderr, "nsm-check: no document, error %d, answer %s\n", nsm.error(), hex(answer.substr(0, 64)).c_str());
    return 1;
  }
  if (print) std::printf("%s\n", nsm_wire::base64(*document).c_str());
  return port == 0 ? 0 : send_to_parent(port, *document);
}
