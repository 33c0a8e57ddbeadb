#include "tools/boardgen/address_map.hpp"
#include "tools/boardgen/emit.hpp"
#include "tools/boardgen/format.hpp"

namespace boardgen {
namespace {

using Row = std::vector<std::string>;

std::string row(const Row& cells) {
  std::string text = "|";
  for (const std::string& cell : cells) text += " " + cell + " |";
  return text + "\n";
}

std::string head(const Row& cells) {
  std::string text = row(cells) + "|";
  for (std::size_t i = 0; i < cells.size(); ++i) text += "---|";
  return text + "\n";
}

std::string owner_text(board::Owner owner) { return holder_text(holder_of(owner)); }

std::string pieces(const std::vector<Piece>& pieces) {
  std::string text = head({"from", "to", "size", "name", "whose", "remark"});
  for (const Piece& piece : pieces) {
    text +=
        row({"`" + padded_hexadecimal(piece.base) + "`", "`" + padded_hexadecimal(piece.base + piece.size - 1) + "`",
             rounded_size(piece.size), piece.name, holder_text(piece.holder), piece.note});
  }
  return text;
}

}  // namespace

std::string emit_markdown(const Description& d) {
  const board::Board& board = d.tables;
  std::string text = "# Board " + std::string(board.name) + "\n\n";
  text += "`" + std::string(board.compatible) + "`. Digest (SHA-384 of board.json): `" + digest_text(board) + "`\n\n";
  text += "## Protections\n";
  for (const Protection& protection : protections_of(board)) {
    text += std::string("- ") + (protection.given ? "yes: " : "no: ") + protection.sentence + "\n";
  }
  text += "\n## Physical addresses\n" + pieces(physical_map(d));
  text += "\n## What an enclave sees\n" + pieces(enclave_map(board));
  text += "\n## What the monitor's memory must hold\n" + head({"what", "size", "remark"});
  for (const Piece& piece : monitor_memory(board)) text += row({piece.name, rounded_size(piece.size), piece.note});
  text += "\nFrame table: " + std::to_string(frame_table_frames(board)) + " frames from " +
          hexadecimal(frame_table_base(board)) + ". Stage-2 tables: " + std::to_string(table_frames(board)) +
          " frames suffice in every case (parent " + std::to_string(parent_table_frames(board)) + ", enclaves " +
          std::to_string(enclave_table_frames(board)) + ").\n";
  text += "\n## Cores\n" + head({"core", "MPIDR", "whose at boot"});
  for (std::size_t i = 0; i < board.cores.size(); ++i) {
    text += row({std::to_string(i), hexadecimal(board.cores[i].mpidr),
                 board.cores[i].boot ? "parent, always" : "parent, assignable"});
  }
  text += "\n## Devices\n" + head({"device", "stream", "registers", "INTID", "whose"});
  for (const board::Device& device : board.devices) {
    text += row({std::string(device.name), hexadecimal(device.stream.value),
                 device.mmio_size == 0 ? "through PCIe" : range_text(device.mmio_base, device.mmio_size),
                 device.interrupt.value == 0 ? "" : std::to_string(device.interrupt.value), owner_text(device.owner)});
  }
  text += "\n## Interrupts\n" + head({"interrupt", "INTID", "SPI", "whose"});
  for (std::size_t i = 0; i < board.interrupts.size(); ++i) {
    const std::uint32_t intid = board.interrupts[i].intid.value;
    text += row({std::string(d.interrupt_names[i]), std::to_string(intid), std::to_string(intid - board::kFirstSpi),
                 owner_text(board.interrupts[i].owner)});
  }
  const board::Limits& limits = board.limits;
  text += "\n## Limits\n" + head({"limit", "value"});
  text += row({"enclaves at once", std::to_string(limits.enclaves)});
  text += row({"memory regions of an enclave", std::to_string(limits.regions_per_enclave)});
  text += row({"channels of an enclave", std::to_string(limits.channels_per_enclave)});
  text += row({"memory of an enclave, at least", rounded_size(limits.enclave_memory_min)});
  text += row({"scrubbed at a time", rounded_size(limits.scrub_chunk)});
  return text;
}

}  // namespace boardgen
