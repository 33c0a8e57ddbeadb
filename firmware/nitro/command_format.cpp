#include "firmware/nitro/command_format.hpp"

#include "firmware/base/byte_reader.hpp"

namespace nitro {

namespace {

// Precondition: offset + sizeof(T) <= kDataSize.
template <typename T>
[[nodiscard]] T field(std::span<const std::uint8_t, kDataSize> data, std::size_t offset) {
  base::ByteReader reader{data.subspan(offset, sizeof(T))};
  return reader.little_endian<T>().value();
}

}  // namespace

base::Result<Request> decode_request(std::uint32_t command, std::span<const std::uint8_t, kDataSize> data) {
  const auto first = field<std::uint64_t>(data, 0);
  const auto second = field<std::uint64_t>(data, 8);
  const auto third = field<std::uint64_t>(data, 16);
  const auto kind = static_cast<Command>(command);
  switch (kind) {
    case Command::kStart:
      return Request{.command = kind, .slot_uid = first, .cid = second, .flags = third};
    case Command::kGetSlot:
      return Request{.command = kind, .cid = first};
    case Command::kSlotAllocate:
    case Command::kSlotCount:
      return Request{.command = kind};
    case Command::kStop:
    case Command::kSlotFree:
    case Command::kNextSlot:
    case Command::kSlotInfo:
      return Request{.command = kind, .slot_uid = first};
    case Command::kAddMemory:
      return Request{.command = kind, .slot_uid = first, .address = second, .size = third};
    case Command::kAddVcpu:
      return Request{.command = kind, .slot_uid = first, .vcpu = field<std::uint32_t>(data, 8)};
    case Command::kAddBulkVcpus:
      return Request{.command = kind, .slot_uid = first, .vcpus = second};
  }
  return base::Error::kNoSuchCall;
}

std::array<std::uint8_t, kReplySize> encode_reply(const Reply& reply) {
  std::array<std::uint8_t, kReplySize> bytes{};
  const auto put = [&](std::size_t offset, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
  };
  put(0, static_cast<std::uint32_t>(reply.rc), 4);
  put(8, reply.slot_uid, 8);
  put(16, reply.cid, 8);
  put(24, reply.slot_count, 8);
  put(32, reply.memory_regions, 8);
  put(40, reply.memory_size, 8);
  put(48, reply.vcpus, 8);
  put(56, reply.flags, 8);
  put(64, static_cast<std::uint16_t>(reply.state), 2);
  return bytes;
}

}  // namespace nitro
