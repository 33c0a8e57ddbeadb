// Load on a vsock device, from either side: the same program serves in one partition and drives from the other.
//
//   vsock-load serve PORT [--connections N]             answers until N connections are done (default: for ever)
//   vsock-load run CID PORT [--connections N] [--parallel N] [--most BYTES] [--closes PERCENT] [--seed N]
//                                                       N streams of random length there and back, sums checked; a part of
//                                                       them breaks off somewhere, on purpose
//   vsock-load latency CID PORT [--rounds N]            one byte there and back
//   vsock-load throughput CID PORT [--mib N] [--plain 1]   there, then back; plain: zeros, and nobody looks at them
//
// Every stream begins with 24 bytes: "VLD1", what to do (S sums what comes, E sends it back, G sends,
// N only takes what comes, Z sends zeros), 3 zeros, u64 count, u64 seed.
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kChunk = 16 * 1024;      // below what a peer must be able to hold back, so that an echo can't block both
constexpr std::uint64_t kMostCount = 1ULL << 40;
constexpr unsigned kMostThreads = 64;
constexpr int kPatienceSeconds = 60;

struct Head {
  char magic[4];
  char what;
  char zeros[3];
  std::uint64_t count;
  std::uint64_t seed;
};
static_assert(sizeof(Head) == 24);

// xorshift64*: the bytes of a stream follow from its seed, so both ends know them.
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : state_(seed | 1) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  void fill(std::uint8_t* bytes, std::size_t count) {
    for (std::size_t at = 0; at < count; ++at) {
      if (left_ == 0) word_ = next(), left_ = 8;
      bytes[at] = static_cast<std::uint8_t>(word_);
      word_ >>= 8, --left_;
    }
  }

 private:
  std::uint64_t state_, word_{};
  unsigned left_{};
};

class Sum {  // FNV-1a
 public:
  void add(const std::uint8_t* bytes, std::size_t count) {
    for (std::size_t at = 0; at < count; ++at) value_ = (value_ ^ bytes[at]) * 0x100000001B3ULL;
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_{0xCBF29CE484222325ULL};
};

bool send_all(int stream, const void* data, std::size_t count) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  while (count > 0) {
    const ssize_t done = ::send(stream, bytes, count, MSG_NOSIGNAL);
    if (done <= 0) return false;
    bytes += done, count -= static_cast<std::size_t>(done);
  }
  return true;
}

bool receive_all(int stream, void* data, std::size_t count) {
  auto* bytes = static_cast<std::uint8_t*>(data);
  while (count > 0) {
    const ssize_t done = ::recv(stream, bytes, count, 0);
    if (done <= 0) return false;
    bytes += done, count -= static_cast<std::size_t>(done);
  }
  return true;
}

void be_patient(int stream) {
  const timeval patience{kPatienceSeconds, 0};
  ::setsockopt(stream, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(stream, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

sockaddr_vm address_of(unsigned cid, unsigned port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

int connect_to(unsigned cid, unsigned port) {
  const int stream = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (stream < 0) return -1;
  const sockaddr_vm address = address_of(cid, port);
  // Linux's own two seconds are short for an emulated machine and many connections at once.
  const timeval patience{kPatienceSeconds, 0};
  ::setsockopt(stream, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof patience);
  if (::connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(stream);
    errno = error;
    return -1;
  }
  be_patient(stream);
  return stream;
}

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "vsock-load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// ---- serving ------------------------------------------------------------------------------------------------

std::atomic<unsigned> g_serving;
std::atomic<std::uint64_t> g_served, g_broken;

bool answer(int stream) {
  Head head{};
  if (!receive_all(stream, &head, sizeof head) || std::memcmp(head.magic, "VLD1", 4) != 0 || head.count > kMostCount) return false;
  std::vector<std::uint8_t> chunk(kChunk);
  Stream source(head.seed);
  Sum sum;
  for (std::uint64_t left = head.count; left > 0;) {
    std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left, kChunk));
    if (head.what == 'G') {
      source.fill(chunk.data(), size);
      if (!send_all(stream, chunk.data(), size)) return false;
    } else if (head.what == 'Z') {
      if (!send_all(stream, chunk.data(), size)) return false;
    } else {
      // What is there, however little: an echo is waited for byte by byte.
      const ssize_t got = ::recv(stream, chunk.data(), size, 0);
      if (got <= 0) return false;
      size = static_cast<std::size_t>(got);
      if (head.what != 'N') sum.add(chunk.data(), size);
      if (head.what == 'E' && !send_all(stream, chunk.data(), size)) return false;
    }
    left -= size;
  }
  const std::uint64_t value = sum.value();
  return (head.what != 'S' && head.what != 'N') || send_all(stream, &value, sizeof value);
}

void* serve_one(void* given) {
  const int stream = static_cast<int>(reinterpret_cast<std::intptr_t>(given));
  be_patient(stream);
  if (!answer(stream)) ++g_broken;
  ::close(stream);
  ++g_served;
  --g_serving;
  return nullptr;
}

int serve(unsigned port, std::uint64_t connections) {
  const int listener = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_vm address = address_of(VMADDR_CID_ANY, port);
  if (listener < 0 || ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 64) != 0) {
    give_up("can't listen");
  }
  std::printf("vsock-load: listening on port %u\n", port);
  std::fflush(stdout);
  for (std::uint64_t taken = 0; connections == 0 || taken < connections;) {
    const int stream = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (stream < 0) {
      if (errno == EINTR || errno == ECONNABORTED || errno == ECONNRESET) continue;
      give_up("accepting");
    }
    ++taken;
    while (g_serving >= kMostThreads) ::usleep(1000);
    ++g_serving;
    pthread_t thread{};
    if (::pthread_create(&thread, nullptr, serve_one, reinterpret_cast<void*>(static_cast<std::intptr_t>(stream))) != 0) {
      serve_one(reinterpret_cast<void*>(static_cast<std::intptr_t>(stream)));
    } else {
      ::pthread_detach(thread);
    }
  }
  while (g_serving > 0) ::usleep(1000);
  std::printf("vsock-load: served %llu connections, %llu broke off\n", static_cast<unsigned long long>(g_served),
              static_cast<unsigned long long>(g_broken));
  return 0;
}

// ---- driving ------------------------------------------------------------------------------------------------

struct Job {
  unsigned cid{}, port{}, connections{100}, parallel{4}, closes{20}, rounds{1000}, mib{16};
  std::uint64_t most{256 * 1024}, seed{1};
  bool plain{};
};

std::atomic<unsigned> g_next;
std::atomic<std::uint64_t> g_bytes, g_whole, g_cut, g_wrong, g_failed;

// A connection of its own seed: length, direction and whether it breaks off follow from it.
void drive_one(const Job& job, unsigned number) {
  Stream dice(job.seed * 1'000'003 + number);
  const std::uint64_t count = 1 + dice.next() % job.most;
  const bool breaks = dice.next() % 100 < job.closes;
  const std::uint64_t until = breaks ? dice.next() % count : count;
  const char what = "SEG"[dice.next() % 3];
  const Head head{{'V', 'L', 'D', '1'}, what, {}, count, dice.next()};
  const int stream = connect_to(job.cid, job.port);
  if (stream < 0 || !send_all(stream, &head, sizeof head)) {
    std::fprintf(stderr, "vsock-load: connection %u: %s\n", number, std::strerror(errno));
    ++g_failed;
    if (stream >= 0) ::close(stream);
    return;
  }
  std::vector<std::uint8_t> chunk(kChunk), back(kChunk);
  Stream source(head.seed);
  Sum sum;
  bool good = true, right = true;
  for (std::uint64_t done = 0; done < until && good && right;) {
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(until - done, kChunk));
    source.fill(chunk.data(), size);
    sum.add(chunk.data(), size);
    if (what != 'G') good = send_all(stream, chunk.data(), size);
    // A stream that breaks off leaves its last chunk unread: the far end may be sending it when the end comes.
    if (good && what != 'S' && !(breaks && done + size == until)) {
      good = receive_all(stream, back.data(), size);
      right = !good || std::equal(back.begin(), back.begin() + static_cast<std::ptrdiff_t>(size), chunk.begin());
    }
    done += size;
    g_bytes += size;
  }
  if (good && right && !breaks && what == 'S') {
    std::uint64_t value = 0;
    good = receive_all(stream, &value, sizeof value);
    right = !good || value == sum.value();
  }
  ::close(stream);
  if (!right) {
    std::fprintf(stderr, "vsock-load: connection %u: other bytes came back\n", number);
    ++g_wrong;
  } else if (!good) {
    std::fprintf(stderr, "vsock-load: connection %u broke: %s\n", number, std::strerror(errno));
    ++g_failed;
  } else {
    ++(breaks ? g_cut : g_whole);
  }
}

void* drive(void* given) {
  const Job& job = *static_cast<const Job*>(given);
  for (unsigned number = g_next++; number < job.connections; number = g_next++) drive_one(job, number);
  return nullptr;
}

int run(const Job& job) {
  const double start = now();
  std::vector<pthread_t> threads(std::clamp(job.parallel, 1U, kMostThreads));
  std::size_t started = 0;
  for (; started < threads.size(); ++started) {
    if (::pthread_create(&threads[started], nullptr, drive, const_cast<Job*>(&job)) != 0) break;
  }
  if (started == 0) give_up("starting a thread");
  for (std::size_t index = 0; index < started; ++index) ::pthread_join(threads[index], nullptr);
  std::printf("vsock-load: %u connections, %llu whole, %llu cut on purpose, %llu failed, %llu wrong, %llu bytes, %.2f s\n", job.connections,
              static_cast<unsigned long long>(g_whole), static_cast<unsigned long long>(g_cut), static_cast<unsigned long long>(g_failed),
              static_cast<unsigned long long>(g_wrong), static_cast<unsigned long long>(g_bytes), now() - start);
  return g_failed == 0 && g_wrong == 0 ? 0 : 1;
}

// As guests/parent/workload prints: name, count, what it took and how much of that is a second.
void report(const char* name, std::uint64_t count, double seconds) {
  std::printf("WORKLOAD %s %llu %llu 1000000000\n", name, static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(seconds * 1e9));
}

int latency(const Job& job) {
  const int stream = connect_to(job.cid, job.port);
  const Head head{{'V', 'L', 'D', '1'}, 'E', {}, job.rounds, 1};
  if (stream < 0 || !send_all(stream, &head, sizeof head)) give_up("connecting");
  std::vector<double> spent;
  for (unsigned round = 0; round < job.rounds; ++round) {
    char byte = static_cast<char>(round), back = 0;
    const double start = now();
    if (!send_all(stream, &byte, 1) || !receive_all(stream, &back, 1)) give_up("a byte there and back");
    spent.push_back((now() - start) * 1e6);
    if (back != byte) return std::fprintf(stderr, "vsock-load: another byte came back\n"), 1;
  }
  ::close(stream);
  std::ranges::sort(spent);
  report("vsock_round_trip", 1, spent[spent.size() / 2] / 1e6);
  std::printf("vsock-load: latency of %u rounds: least %.1f us, median %.1f us, most %.1f us\n", job.rounds, spent.front(),
              spent[spent.size() / 2], spent.back());
  return 0;
}

int throughput(const Job& job) {
  const std::uint64_t count = std::uint64_t{job.mib} << 20;
  for (const bool there : {true, false}) {
    const char what = job.plain ? (there ? 'N' : 'Z') : (there ? 'S' : 'G');
    const int stream = connect_to(job.cid, job.port);
    const Head head{{'V', 'L', 'D', '1'}, what, {}, count, 7};
    const double start = now();
    if (stream < 0 || !send_all(stream, &head, sizeof head)) give_up("connecting");
    std::vector<std::uint8_t> chunk(64 * 1024), expected(64 * 1024);
    Stream source(head.seed);
    Sum sum;
    for (std::uint64_t left = count; left > 0; left -= std::min<std::uint64_t>(left, chunk.size())) {
      const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk.size()));
      if (!job.plain) source.fill(expected.data(), size);
      if (what == 'S') sum.add(expected.data(), size);
      if (there ? !send_all(stream, expected.data(), size) : !receive_all(stream, chunk.data(), size)) give_up("the stream");
      if (what == 'G' && std::memcmp(chunk.data(), expected.data(), size) != 0) return std::fprintf(stderr, "vsock-load: wrong bytes\n"), 1;
    }
    std::uint64_t value = 0;
    if (there && !receive_all(stream, &value, sizeof value)) give_up("the answer at the end");
    const double spent = now() - start;
    if (what == 'S' && value != sum.value()) give_up("the sum at the end");
    ::close(stream);
    std::printf("vsock-load: %s %u MiB in %.2f s, %.2f MiB/s\n", there ? "sent" : "received", job.mib, spent, job.mib / spent);
    report(there ? "vsock_to_enclave" : "vsock_from_enclave", count, spent);
  }
  return 0;
}

int usage() {
  std::fprintf(stderr, "usage: vsock-load serve PORT [--connections N]\n"
                       "       vsock-load run CID PORT [--connections N] [--parallel N] [--most BYTES] [--closes PERCENT] [--seed N]\n"
                       "       vsock-load latency CID PORT [--rounds N]\n"
                       "       vsock-load throughput CID PORT [--mib N] [--plain 1]\n");
  return 2;
}

}  // namespace

int main(int count, char** words) {
  std::vector<unsigned long> numbers;
  Job job;
  unsigned long connections = 0;
  const std::string_view verb = count > 1 ? words[1] : "";
  for (int index = 2; index < count; ++index) {
    std::string_view word = words[index];
    const bool option = word.starts_with("--");
    if (option && ++index == count) return usage();
    char* end = nullptr;
    const unsigned long value = std::strtoul(words[index], &end, 10);
    if (*words[index] == '\0' || *end != '\0' || words[index][0] == '-') return usage();
    if (!option) numbers.push_back(value);
    else if (word == "--connections") connections = value, job.connections = static_cast<unsigned>(value);
    else if (word == "--parallel") job.parallel = static_cast<unsigned>(value);
    else if (word == "--most" && value > 0) job.most = value;
    else if (word == "--closes" && value <= 100) job.closes = static_cast<unsigned>(value);
    else if (word == "--seed") job.seed = value;
    else if (word == "--plain") job.plain = value != 0;
    else if (word == "--rounds" && value > 0) job.rounds = static_cast<unsigned>(value);
    else if (word == "--mib" && value > 0) job.mib = static_cast<unsigned>(value);
    else return usage();
  }
  if (verb == "serve" && numbers.size() == 1) return serve(static_cast<unsigned>(numbers[0]), connections);
  if (numbers.size() != 2) return usage();
  job.cid = static_cast<unsigned>(numbers[0]);
  job.port = static_cast<unsigned>(numbers[1]);
  if (verb == "run") return run(job);
  if (verb == "latency") return latency(job);
  if (verb == "throughput") return throughput(job);
  return usage();
}
