// From the ROM (or PSCI CPU_ON) to the first compiled function: EL2h, MMU and caches off, interrupts masked.
//
// Boot core: x0 = physical address of the ROM's handover. Another core: x0 = its number in the board's table.
// Order that matters: tables are built with the MMU off by code that uses general registers only (early_map.cpp);
// the pointer-authentication key is set before the first function that signs its return address is entered.

  .equ CORE_STACK_STRIDE, 0x20000    // sizeof(CoreStack), per_core.hpp

  .section .text.start, "ax"
  .global hal_start
  .type hal_start, %function
hal_start:
  bti j
  msr daifset, #0xf
  mov x19, x0
  adrp x20, hal_boot_core_index
  ldr x20, [x20, :lo12:hal_boot_core_index]
  mov x21, #1                        // this is the boot core
  bl prepare_core

  bl hal_early_map                   // writes the tables of every core
  bl enable_mmu

  adrp x0, __bss_start               // zeroed with the caches on
  add x0, x0, :lo12:__bss_start
  adrp x1, __bss_end
  add x1, x1, :lo12:__bss_end
1:cmp x0, x1
  b.hs 2f
  stp xzr, xzr, [x0], #16
  b 1b
2:bl seed_stack_guard
  mov x0, x20
  mov x1, x19
  mov x29, xzr
  mov x30, xzr
  bl hal_boot_core_main              // does not return
  b .

  .global hal_secondary_start
  .type hal_secondary_start, %function
hal_secondary_start:
  bti j
  msr daifset, #0xf
  mov x20, x0
  mov x21, xzr
  bl prepare_core
  bl enable_mmu
  mov x0, x20
  mov x29, xzr
  mov x30, xzr
  bl hal_secondary_core_main         // does not return
  b .

  // x20 = core number. Vectors, stack; nothing here depends on memory being cached.
prepare_core:
  msr spsel, #1
  adrp x0, hal_vectors
  add x0, x0, :lo12:hal_vectors
  msr vbar_el2, x0
  ldr x0, =0x30c50830                // RES1 of SCTLR_EL2, everything else off
  msr sctlr_el2, x0
  mov x0, #(1 << 31)                 // HCR_EL2.RW; E2H = 0: EL2 without VHE
  msr hcr_el2, x0
  ldr x0, =0x33ff                    // CPTR_EL2: SVE and SME trap, FP does not; the rest follows in prepare_guest_controls()
  msr cptr_el2, x0
  isb
  adrp x0, hal_core_stacks
  add x0, x0, :lo12:hal_core_stacks
  add x1, x20, #1
  mov x2, #CORE_STACK_STRIDE
  madd x0, x1, x2, x0
  mov sp, x0
  ic iallu
  tlbi alle2
  tlbi alle1
  dsb nsh
  isb
  ret

  // x20 = core number. Returns with the MMU and caches on.
enable_mmu:
  mov x22, x30
  adrp x0, hal_early_controls        // written by hal_early_map: mair, tcr, sctlr, then one root for each core
  add x0, x0, :lo12:hal_early_controls
  ldp x1, x2, [x0]
  ldr x3, [x0, #16]
  add x4, x0, #24
  ldr x4, [x4, x20, lsl #3]
  msr mair_el2, x1
  msr tcr_el2, x2
  msr ttbr0_el2, x4
  // A key of this core for return addresses, kept in PerCore while a guest runs (boot.cpp). Cores without the feature
  // ignore EnIA and have no such register.
  mrs x0, id_aa64isar1_el1
  ubfx x1, x0, #4, #4                // APA
  ubfx x2, x0, #8, #4                // API
  orr x1, x1, x2
  mrs x0, s3_0_c0_c6_2               // ID_AA64ISAR2_EL1
  ubfx x2, x0, #12, #4               // APA3
  orr x1, x1, x2
  cbz x1, 1f
  bl random_word
  orr x0, x0, #1                     // never 0, which vectors.S takes for "no key"
  msr s3_0_c2_c1_0, x0               // APIAKeyLo_EL1
  bl random_word
  msr s3_0_c2_c1_1, x0               // APIAKeyHi_EL1
1:isb
  dsb sy
  msr sctlr_el2, x3
  isb
  mov x30, x22
  ret x30

  // -> x0: RNDR where it exists and answers, mixed with the counter. x4, x5 used.
random_word:
  mrs x0, cntpct_el0
  mrs x4, id_aa64isar0_el1
  lsr x4, x4, #60
  cbz x4, 2f
  mov x5, #64
1:mrs x4, s3_3_c2_c4_0               // RNDR: Z set when it has none
  b.ne 3f
  subs x5, x5, #1
  b.ne 1b
2:ret
3:eor x0, x0, x4
  ret

seed_stack_guard:
  mov x22, x30
  bl random_word
  and x0, x0, #~0xff                 // a zero byte stops a string that overruns
  adrp x1, __stack_chk_guard
  str x0, [x1, :lo12:__stack_chk_guard]
  mov x30, x22
  ret x30
