// cofferdam-relay: carries streams between TCP and vsock, in a parent or in an enclave.

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "guests/relay/allow_list.hpp"
#include "guests/relay/relay.hpp"
#include "tools/command_line/command_line.hpp"

namespace {

constexpr std::size_t kMostRoutes = 64;
constexpr std::size_t kLongestList = 1 << 20;
constexpr int kWrongUse = 2;

constexpr const char* kAbout =
    R"(Carries streams between TCP and vsock: what connects to a --listen is connected to the --connect that stands behind it, and to
nothing else. Bytes, the end of one direction, and a broken stream are carried over; what is in them stays as it is.

  ADDRESS is  vsock:PORT (to listen), vsock:CID:PORT (to connect; "parent" is 3), tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH

In a parent, the way out for an enclave (the list is that of AWS's vsock-proxy):
  cofferdam-relay --allow list.yaml --listen vsock:8000 --connect tcp:kms.eu-central-1.amazonaws.com:443
In an enclave, that way in for its programs, and a way in for clients:
  cofferdam-relay --listen tcp:127.0.0.1:8000 --connect vsock:parent:8000 --listen vsock:443 --connect tcp:127.0.0.1:8443)";

class Mistake : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::vector<relay::TcpAddress> read_list(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.size() > kLongestList) throw Mistake("--allow " + path + ": it can't be read, or is longer than 1 MiB");
  auto list = relay::parse_allow_list(text);
  if (!list) throw Mistake("--allow " + path + ": " + list.error());
  return std::move(*list);
}

relay::Address address_of(const std::string& text, relay::Purpose purpose) {
  auto address = relay::parse_address(text, purpose);
  if (!address) throw Mistake(text + ": " + address.error());
  return std::move(*address);
}

std::vector<relay::Route> routes_of(const std::vector<std::string>& listen, const std::vector<std::string>& connect,
                                    const std::optional<std::vector<relay::TcpAddress>>& list, std::optional<std::uint32_t> from_cid) {
  if (listen.size() != connect.size()) throw Mistake("each --listen needs a --connect behind it");
  if (listen.size() > kMostRoutes) throw Mistake("more than 64 routes");
  std::vector<relay::Route> routes;
  for (std::size_t index = 0; index < listen.size(); ++index) {
    relay::Route route{address_of(listen[index], relay::Purpose::kListen), address_of(connect[index], relay::Purpose::kConnect), std::nullopt};
    if (std::holds_alternative<relay::VsockAddress>(route.listen)) route.from_cid = from_cid;
    if (const auto* tcp = std::get_if<relay::TcpAddress>(&route.connect)) {
      if (list && !relay::is_allowed(*list, *tcp)) throw Mistake(connect[index] + ": the list of --allow does not name it");
      if (!list && !relay::is_loopback(*tcp)) {
        throw Mistake(connect[index] + ": only loopback addresses can be connected to without a list; name it in one and give that with --allow");
      }
    }
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  command_line::Program app(kAbout, "cofferdam-relay");
  app.set_help_flag("-h,--help", "this text");
  std::vector<std::string> listen, connect;
  std::string allow;
  std::optional<std::uint32_t> from_cid;
  relay::Limits limits;
  unsigned connect_seconds = 10, idle_seconds = 600;
  app.add_option("--listen", listen, "where to listen; once for each route").required().type_name("ADDRESS").repeatable();
  app.add_option("--connect", connect, "where that route leads").required().type_name("ADDRESS").repeatable();
  app.add_option("--allow", allow, "hosts that may be connected to; without it only loopback addresses").type_name("FILE");
  app.add_option("--from-cid", from_cid, "vsock listeners serve this partition alone").type_name("CID");
  app.add_option("--most-streams", limits.most_streams, "of a route at a time; further ones wait").capture_default_str().within(1, 100'000);
  app.add_option("--connect-seconds", connect_seconds, "how long connecting may take").capture_default_str().within(1, 3600);
  app.add_option("--idle-seconds", idle_seconds, "how long a stream may be silent").capture_default_str().within(1, 1'000'000);
  if (const auto ended = app.parse_or_explain(count, words)) return *ended;
  limits.connect_time = std::chrono::seconds(connect_seconds);
  limits.idle_time = std::chrono::seconds(idle_seconds);
  try {
    const auto list = allow.empty() ? std::nullopt : std::optional(read_list(allow));
    relay::Relay carrier(routes_of(listen, connect, list, from_cid), limits, [](const std::string& line) { std::cerr << "cofferdam-relay: " << line << std::endl; });
    std::cerr << "cofferdam-relay: ready" << std::endl;
    carrier.run();
  } catch (const Mistake& mistake) {
    std::cerr << "cofferdam-relay: " << mistake.what() << std::endl;
    return kWrongUse;
  } catch (const std::exception& error) {
    std::cerr << "cofferdam-relay: " << error.what() << std::endl;
    return 1;
  }
  return 0;
}
