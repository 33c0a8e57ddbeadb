// Which connections between the parent and its enclaves are open, and who must still be told that one is not.
//
// An entry is made by the REQUEST that is delivered and goes with the RST that is delivered. When the switch itself
// ends a connection, the entry stays until each side that is due an RST has been sent it; so nothing about it needs
// other room.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "board_tables.hpp"
#include "firmware/base/ids.hpp"
#include "firmware/base/result.hpp"

namespace vsock {

inline constexpr std::size_t kConnectionsPerEnclave = 1024;
inline constexpr std::size_t kMaxConnections = board::kMaxEnclaves * kConnectionsPerEnclave;
static_assert(kMaxConnections < 0xFFFF);

struct Connection {
  std::uint32_t cid;  // the enclave's
  std::uint32_t enclave_port;
  std::uint32_t parent_port;
  bool operator==(const Connection&) const = default;
};

enum class Side : std::uint8_t { kParent, kEnclave };
[[nodiscard]] constexpr std::size_t number_of(Side side) { return side == Side::kParent ? 0 : 1; }

// All zero when empty. An Index is valid until the entry is removed.
class ConnectionTable {
 public:
  using Index = std::uint16_t;
  // Whose connections: a slot, or enclaves that have ended (only RSTs to the parent are left of those).
  using Owner = std::uint8_t;
  static constexpr Owner kEnded = board::kMaxEnclaves;
  // How ports fall into buckets. Whoever does not know it finds no ports that fall into one, by which a search, and so a hold of the
  // state lock, would be a thousand entries long.
  struct Secret {
    std::uint64_t of_enclave_port;
    std::uint64_t of_parent_port;
  };

  // Precondition: the table is empty.
  void scatter(const Secret& secret) { secret_ = secret; }

  [[nodiscard]] std::optional<Index> find(Owner owner, const Connection& connection) const;
  // Precondition: not in the table. Errors: kTooLarge (kConnectionsPerEnclave of this owner). When all entries are
  // taken, one of an ended enclave's goes, its RST unsent: the parent has left room for none of them.
  [[nodiscard]] base::Result<Index> insert(Owner owner, const Connection& connection);
  void remove(Index index);

  [[nodiscard]] bool is_open(Index index) const { return entries_[index].open; }
  [[nodiscard]] const Connection& at(Index index) const { return entries_[index].connection; }
  // Ends an open connection. With nobody to tell, the entry is removed.
  void close(Index index, bool tell_parent, bool tell_enclave);
  // This side knows, or is gone: nothing is due to it any more. The entry is removed with the last.
  void told(Index index, Side side);
  // One that is due an RST, if any.
  [[nodiscard]] std::optional<Index> due_to_parent() const { return index_of(due_[kEnded]); }
  [[nodiscard]] std::optional<Index> due_to_enclave(Owner owner) const { return index_of(due_[owner]); }

  // Bounded by the table's size:
  void parent_gone();               // its enclaves are told
  void enclave_gone(Owner owner);   // its driver was reset: the parent is told
  void enclave_ended(Owner owner);  // as before, and the slot may have another
  [[nodiscard]] std::size_t count(Owner owner) const { return counts_[owner]; }

  // Each owner has buckets of its own.
  static constexpr std::size_t kBuckets = 1024;
  [[nodiscard]] static std::size_t bucket_of(const Connection& connection, const Secret& secret);

 private:
  using Reference = std::uint16_t;  // index + 1; 0: none
  struct Entry {
    Connection connection;
    Reference next;      // in its bucket, or among the free
    Reference previous;  // in its bucket; 0: the first
    std::array<Reference, 2> due_next;
    std::array<Reference, 2> due_previous;
    Owner owner;
    bool used;
    bool open;
    std::array<bool, 2> due;
  };
  [[nodiscard]] static std::optional<Index> index_of(Reference reference) {
    if (reference == 0) return std::nullopt;
    return static_cast<Index>(reference - 1);
  }
  [[nodiscard]] std::size_t bucket_of(const Connection& connection) const { return bucket_of(connection, secret_); }
  [[nodiscard]] Reference& due_list(const Entry& entry, Side side);
  void link_due(Index index, Side side);
  void unlink_due(Index index, Side side);
  void link_bucket(Index index);
  void unlink_bucket(Index index);
  void move_to_ended(Index index);

  Secret secret_{};
  std::array<Entry, kMaxConnections> entries_{};
  std::array<std::array<Reference, kBuckets>, kEnded + 1> buckets_{};
  std::array<Reference, kEnded + 1> due_{};  // of each enclave; the last one is the parent's
  std::array<std::uint16_t, kEnded + 1> counts_{};
  Reference free_{};
  std::uint16_t touched_{};  // entries from here on were never used
};

}  // namespace vsock
