#include "guests/parent/cli/enclave_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>

#include "guests/parent/cli/console.hpp"
#include "guests/parent/cli/control_channel.hpp"
#include "guests/parent/cli/enclave_json.hpp"
#include "guests/parent/cli/event_log.hpp"
#include "guests/parent/cli/failure.hpp"
#include "tools/cofferdam/eif_describe.hpp"

namespace enclave_cli {
namespace {

constexpr std::chrono::milliseconds kRequestTime{3000};
constexpr std::size_t kMostWaiting = 64;  // commands that wait for the measurement

sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

// Measures the image while the enclave boots; describe-enclaves waits for it.
class Measurement {
 public:
  explicit Measurement(cofferdam::EifImage image) : image_(std::move(image)), done_(::eventfd(0, EFD_CLOEXEC)) {}

  // The image's bytes are read by the thread only, and by whoever copies them before: nobody changes them.
  void start() {
    thread_ = std::thread([this] {
      Json json;
      try {
        cofferdam::measure_eif(image_);
        json = cofferdam::describe_eif(image_).json;
      } catch (const std::exception&) {
        json = nullptr;  // the enclave runs, so the monitor did read it; this program just can't describe it
      }
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        json_ = std::move(json);
      }
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = ::write(done_.get(), &one, sizeof one);
    });
  }
  ~Measurement() {
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] cofferdam::ByteView bytes() const { return image_.bytes; }
  [[nodiscard]] int done() const { return done_.get(); }  // readable from then on
  // After done() became readable. Lets go of the bytes.
  [[nodiscard]] Json take() {
    thread_.join();
    image_.bytes = {};
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::move(json_);
  }

 private:
  cofferdam::EifImage image_;
  Descriptor done_;
  std::mutex mutex_;
  Json json_;
  std::thread thread_;
};

class Server {
 public:
  Server(Environment& environment, EventLog& log, Enclave enclave, EnclaveDescription description, std::string path,
         Measurement& measurement)
      : environment_(environment),
        log_(log),
        enclave_(std::move(enclave)),
        description_(std::move(description)),
        path_(std::move(path)),
        measurement_(measurement) {}

  void serve(int listener, int signals) {
    for (bool measured = false;;) {
      std::array<pollfd, 4> waiting{{{.fd = enclave_.descriptor.get(), .events = 0, .revents = 0},
                                     {.fd = listener, .events = POLLIN, .revents = 0},
                                     {.fd = measured ? -1 : measurement_.done(), .events = POLLIN, .revents = 0},
                                     {.fd = signals, .events = POLLIN, .revents = 0}}};
      if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
      if ((waiting[2].revents & POLLIN) != 0) {
        image_ = measurement_.take();
        measured = measured_ = true;
        for (const auto& [socket, metadata] : waiting_) describe(socket.get(), metadata);
        waiting_.clear();
      }
      if ((waiting[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return enclave_ended();
      if ((waiting[3].revents & POLLIN) != 0) {
        log_.write(Level::kInfo, "A signal ends the enclave.");
        return enclave_.end();
      }
      if ((waiting[1].revents & POLLIN) != 0) {
        Descriptor client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        if (client && !answer(std::move(client))) return;
      }
    }
  }

 private:
  void enclave_ended() {
    log_.write(Level::kWarning, "The enclave " + description_.name + " (" + description_.id +
                                    ") has ended by itself, or the monitor ended it.");
    if (enclave_.debug) {
      for (const std::string& line : last_words(environment_.sockets, enclave_.cid))
        log_.write(Level::kInfo, "console: " + line);
    }
    enclave_.end();
  }

  static void reply(int socket, int status, const std::string& out, const std::string& error) {
    const timeval patience{.tv_sec = 3, .tv_usec = 0};  // a command that does not read holds nobody up
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!error.empty() && !send_line(socket, Json{{"stderr", error}})) return;
    if (!out.empty() && !send_line(socket, Json{{"stdout", out}})) return;
    send_line(socket, Json{{"status", status}});
  }

  void describe(int socket, bool metadata) const {
    reply(socket, 0,
          describe_json(description_, "RUNNING", image_, metadata).dump(-1, ' ', false, Json::error_handler_t::replace),
          {});
  }

  // False when the enclave was ended.
  [[nodiscard]] bool answer(Descriptor client) {
    const std::optional<Json> request = LineReader(client.get()).next(kRequestTime);
    const std::string command = request && request->contains("command") && (*request)["command"].is_string()
                                    ? (*request)["command"].get<std::string>()
                                    : std::string();
    if (command == "info") {
      Json json = describe_json(description_, "RUNNING", nullptr, false);
      reply(client.get(), 0, json.dump(-1, ' ', false, Json::error_handler_t::replace), {});
    } else if (command == "describe") {
      const bool metadata = request->value("metadata", Json(false)) == Json(true);
      if (measured_) {
        describe(client.get(), metadata);
      } else if (waiting_.size() < kMostWaiting) {
        waiting_.emplace_back(std::move(client), metadata);
      }
    } else if (command == "terminate") {
      ucred peer{};
      socklen_t length = sizeof peer;
      if (::getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 ||
          (peer.uid != 0 && peer.uid != ::geteuid())) {
        reply(client.get(), EACCES, {},
              "Only root and whoever started the enclave " + description_.id + " may terminate it.\n");
        return true;
      }
      log_.write(Level::kInfo, "Terminated on request.");
      enclave_.end();
      ::unlink(path_.c_str());  // whoever has the answer finds no socket any more
      reply(client.get(), 0, terminate_json(description_).dump(-1, ' ', false, Json::error_handler_t::replace),
            "Successfully terminated enclave " + description_.id + ".\n");
      return false;
    } else {
      reply(client.get(), static_cast<int>(ErrorCode::kInvalidCommand), {},
            "The enclave process does not know this command.\n");
    }
    return true;
  }

  Environment& environment_;
  EventLog& log_;
  Enclave enclave_;
  EnclaveDescription description_;
  std::string path_;
  Measurement& measurement_;
  Json image_;
  bool measured_{false};
  std::vector<std::pair<Descriptor, bool>> waiting_;
};

cofferdam::EifImage read_image(const std::string& path) {
  try {
    cofferdam::EifImage image = cofferdam::parse_eif_bytes(cofferdam::read_file(path, cofferdam::kMaxEif));
    utsname machine{};
    ::uname(&machine);
    check_image(image, machine.machine, ::time(nullptr));
    return image;
  } catch (const cofferdam::BadImage& error) {
    throw Failure(ErrorCode::kEifParsing, path + ": " + error.what() + '.', "`describe-eif` shows what the image is.");
  } catch (const cofferdam::Unreadable& error) {
    const std::string what = error.what();
    throw Failure(what.starts_with("not an enclave image") ? ErrorCode::kEifParsing : ErrorCode::kFileOperation,
                  path + ": " + what + '.');
  }
}

// Everything of the command's is let go of, so that it can end and its terminal be closed.
void detach(int kept) {
  ::umask(0077);
  if (::chdir("/") != 0) ::_exit(static_cast<int>(ErrorCode::kDaemonize));
  const int nothing = ::open("/dev/null", O_RDWR);
  for (const int standard : {0, 1, 2}) ::dup2(nothing, standard);
  if (nothing > 2) ::close(nothing);
  const auto first = static_cast<unsigned>(kept);
  if (first > 3) ::close_range(3, first - 1, 0);
  ::close_range(first + 1, ~0U, 0);
}

}  // namespace

int run_enclave_process(Environment& environment, const RunRequest& request, Descriptor starter) {
  EventLog log(environment.places.log_folder, "enc-xxxxxxx:" + std::to_string(::getpid()));
  const sigset_t mask = ending_signals();
  const Descriptor signals(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  const Say say = [&](const std::string& text) {
    log.write(Level::kInfo, text);
    send_line(starter.get(), Json{{"stderr", text + '\n'}});
  };
  std::string path;
  try {
    Measurement measurement(read_image(request.eif_path));
    measurement.start();
    Enclave enclave = launch(environment, request, measurement.bytes(), say, starter.get(), signals.get());
    const EnclaveDescription description{.name = request.name,
                                         .id = enclave_id(environment.files, enclave.slot_uid),
                                         .process_id = ::getpid(),
                                         .cid = enclave.cid,
                                         .cpus = enclave.cpus,
                                         .memory_mib = enclave.memory->size() / kMiB,
                                         .debug = enclave.debug};
    log.rename(description.id);
    path = socket_path(environment.places.run_folder, enclave.slot_uid);
    const Descriptor listener = listen_at(path);
    log.write(Level::kInfo, "The enclave " + description.name + " runs, CID " + std::to_string(description.cid) + '.');
    send_line(starter.get(), Json{{"stdout", pretty(run_json(description))}});
    send_line(starter.get(), Json{{"status", 0}});
    starter.reset();
    Server(environment, log, std::move(enclave), description, path, measurement).serve(listener.get(), signals.get());
    ::unlink(path.c_str());
    return 0;
  } catch (const Failure& failure) {
    log.write(Level::kError, text_of(failure));
    send_line(starter.get(), Json{{"stderr", text_of(failure)}});
    send_line(starter.get(), Json{{"status", static_cast<int>(failure.code())}});
    if (!path.empty()) ::unlink(path.c_str());
    return static_cast<int>(failure.code());
  } catch (const std::exception& error) {
    const Failure failure(ErrorCode::kUnspecified, std::string(error.what()) + '.');
    log.write(Level::kError, text_of(failure));
    send_line(starter.get(), Json{{"stderr", text_of(failure)}});
    send_line(starter.get(), Json{{"status", 1}});
    if (!path.empty()) ::unlink(path.c_str());
    return 1;
  }
}

Descriptor spawn_enclave_process(Environment& environment, const RunRequest& request) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw Failure(ErrorCode::kSocketPair, std::string(std::strerror(errno)) + '.');
  }
  Descriptor ours(pair[0]);
  Descriptor theirs(pair[1]);
  const pid_t between = ::fork();
  if (between < 0) throw Failure(ErrorCode::kProcessSpawn, std::string(std::strerror(errno)) + '.');
  if (between == 0) {
    // A session of its own, and a second fork, so that it never gets a terminal and is nobody's child.
    const sigset_t mask = ending_signals();
    ::sigprocmask(SIG_BLOCK, &mask, nullptr);
    if (::setsid() < 0) ::_exit(static_cast<int>(ErrorCode::kDaemonize));
    const pid_t process = ::fork();
    if (process != 0) ::_exit(process < 0 ? static_cast<int>(ErrorCode::kProcessSpawn) : 0);
    detach(theirs.get());
    ::_exit(run_enclave_process(environment, request, std::move(theirs)));
  }
  int status = 0;
  while (::waitpid(between, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw Failure(ErrorCode::kDaemonize, "The enclave process could not be made.");
  return ours;
}

}  // namespace enclave_cli
