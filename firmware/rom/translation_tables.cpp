#include "firmware/rom/translation_tables.hpp"

namespace rom {

// linker/rom.ld puts the section at layout::kTablesBase; reset.S loads TTBR0_EL3 with its start.
extern const TranslationTables kTranslationTables;
[[gnu::section(".rom_tables"), gnu::used]] constinit const TranslationTables kTranslationTables =
    make_translation_tables();

}  // namespace rom
