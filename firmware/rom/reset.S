// The ROM's only assembly: from reset to the first compiled function, the exception vectors of EL3, and the way
// down to EL2. Every core starts here at address 0, at EL3, with the MMU and caches off.
//
// Order that matters: (1) DMA masters are in abort before anything else; (2) the MMU is on, with tables that are
// constants in flash, before the first compiled instruction, because unaligned and SIMD accesses fault without it.
// Addresses are those of firmware/rom/layout.hpp.

  .equ SMMU_GBPA, 0x09050044
  .equ GBPA_ABORT, 1 << 20
  .equ GBPA_UPDATE, 1 << 31
  .equ MAX_CORES, 16
  .equ CORE_STACK_STRIDE, 0x3000

  // SCTLR_EL3: RES1 | WXN (writable is never executable) | I | SA | C | M.   Arm ARM D19.2.123
  .equ SCTLR_RES1, 0x30c50830
  .equ SCTLR_ON, SCTLR_RES1 | (1 << 19) | (1 << 12) | (1 << 3) | (1 << 2) | (1 << 0)
  // TCR_EL3: RES1 | 40-bit PA | 4 KiB granule | inner shareable, write-back | 39-bit VA (T0SZ = 25)
  .equ TCR_VALUE, (1 << 31) | (1 << 23) | (2 << 16) | (3 << 12) | (1 << 10) | (1 << 8) | 25
  .equ MAIR_VALUE, 0x00ff  // attribute 0: normal write-back; 1: device nGnRnE

  // The saved registers of a lower level: x0..x30, ESR, ELR, SPSR, FAR (struct LowerFrame, exceptions.hpp).
  .equ FRAME_SIZE, 288

  .section .text.rom_reset, "ax"
  .global rom_reset
  .type rom_reset, %function
rom_reset:
  bti j
  mrs x19, mpidr_el1
  and x19, x19, #0xffffff           // affinity 0..2
  cbnz x19, 2f
  // (1) Every stream of the SMMU aborts.
  ldr x0, =SMMU_GBPA
  ldr w1, [x0]
  orr w1, w1, #GBPA_ABORT
  orr w1, w1, #GBPA_UPDATE
  str w1, [x0]
1:ldr w1, [x0]
  tbnz w1, #31, 1b                  // until the SMMU has taken it; without it nothing may go on
  tbz w1, #20, 1b

  // (2) The same state on every core, whatever it was.
2:adr x0, rom_vectors
  msr vbar_el3, x0
  msr cptr_el3, xzr                 // FP and SIMD usable; what else EL2 gets: configure_lower_levels()
  mov x0, #(1 << 9)                 // SIF: EL3 never fetches from non-secure memory
  msr scr_el3, x0
  msr daifset, #0xf
  ldr x0, =SCTLR_RES1
  msr sctlr_el3, x0
  isb
  ic iallu
  tlbi alle3
  ldr x0, =MAIR_VALUE
  msr mair_el3, x0
  ldr x0, =TCR_VALUE
  msr tcr_el3, x0
  ldr x0, =__rom_tables
  msr ttbr0_el3, x0
  dsb sy
  isb
  ldr x0, =SCTLR_ON
  mrs x1, id_aa64pfr1_el1
  tst x1, #0xf
  b.eq 3f
  orr x0, x0, #(1 << 36)            // BT: indirect branches land on BTI only (the code pages are guarded)
3:msr sctlr_el3, x0
  isb
  msr spsel, #1
  cbnz x19, 6f

  // (3) The boot core: memory as compiled code expects it.
  ldr x0, =__boot_stack_end
  mov sp, x0
  ldr x0, =__bss_start
  ldr x1, =__bss_end
4:cmp x0, x1
  b.hs 5f
  stp xzr, xzr, [x0], #16
  b 4b
5:ldr x0, =__data_start
  ldr x1, =__data_end
  ldr x2, =__data_load
7:cmp x0, x1
  b.hs 8f
  ldp x3, x4, [x2], #16
  stp x3, x4, [x0], #16
  b 7b
8:mov x29, xzr
  mov x30, xzr
  bl rom_boot_main
  b .

  // The other cores: a small stack each, then they wait to be started.
6:and x1, x19, #0xff                // core number = Aff1 * 16 + Aff0 (Arm GICv3: 16 to a cluster)
  ubfx x2, x19, #8, #8
  add x0, x1, x2, lsl #4
  cmp x1, #16
  b.hs 9f
  cmp x0, #MAX_CORES
  b.hs 9f
  lsr x2, x19, #16
  cbnz x2, 9f
  bl set_core_stack
  mov x29, xzr
  mov x30, xzr
  bl rom_park_after_reset           // x0 = core number
9:wfi                               // a core that the ROM has no room for sleeps
  b 9b

  // x0 = core number -> sp; x1, x2 used.
set_core_stack:
  bti c
  ldr x1, =__core_stacks
  mov x2, #CORE_STACK_STRIDE
  add x3, x0, #1
  madd x1, x3, x2, x1
  mov sp, x1
  ret

  // [[noreturn]] rom_restart_park(x0 = core number): forget this stack and wait again.
  .global rom_restart_park
  .type rom_restart_park, %function
rom_restart_park:
  bti c
  bl set_core_stack
  mov x29, xzr
  mov x30, xzr
  bl rom_park_after_off
  b .

  // [[noreturn]] rom_enter_monitor(x0 = argument, x1 = entry, x2 = core number): EL2h, MMU off, all else zero.
  // Everything this core computed at EL3 leaves its registers, SIMD included.
  .global rom_enter_monitor
  .type rom_enter_monitor, %function
rom_enter_monitor:
  bti c
  msr elr_el3, x1
  mov x1, #0x3c9                    // EL2h, D A I F masked
  msr spsr_el3, x1
  mov x19, x0
  mov x20, x2
  mov x0, x2
  bl set_core_stack                 // what an SMC will use on this core
  cbnz x20, 2f
  ldr x0, =__boot_stack_start       // the boot core's first stack has held secrets and is never used again
  ldr x1, =__boot_stack_end
1:stp xzr, xzr, [x0], #16
  cmp x0, x1
  b.lo 1b
2:mov x0, x19
  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  movi v\n\().2d, #0
  .endr
  msr fpsr, xzr
  msr fpcr, xzr
  .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
  mov x\n, xzr
  .endr
  msr sp_el0, xzr
  msr sp_el1, xzr
  msr sp_el2, xzr
  msr tpidr_el0, xzr
  msr tpidr_el1, xzr
  msr tpidr_el2, xzr
  isb
  eret
  dsb nsh                           // no speculation past the return
  isb

  // ---- Exceptions of EL3 -------------------------------------------------------------------------------
  .macro fatal, number
  .balign 0x80
  mov x0, #\number
  mrs x1, esr_el3
  mrs x2, elr_el3
  mrs x3, far_el3
  b fatal_exception
  .endm

  .macro lower
  .balign 0x80
  sub sp, sp, #FRAME_SIZE
  stp x0, x1, [sp, #0]
  stp x2, x3, [sp, #16]
  stp x4, x5, [sp, #32]
  b lower_exception
  .endm

  .section .text.rom_vectors, "ax"
  .balign 0x800
rom_vectors:
  fatal 0       // current level, SP_EL0: never used
  fatal 1
  fatal 2
  fatal 3
  fatal 4       // current level, SP_EL3: the ROM's own fault
  fatal 5
  fatal 6
  fatal 7
  lower         // AArch64 below: SMC, and what EL3 keeps to itself
  fatal 9       // no interrupt is routed to EL3
  fatal 10
  fatal 11
  lower         // AArch32 below
  fatal 13
  fatal 14
  fatal 15

  .balign 0x80
fatal_exception:
  // The stack may be what failed: this core's own one is set anew, and the boot core's text needs little of it.
  ldr x4, =__core_stacks
  add x4, x4, #CORE_STACK_STRIDE
  mrs x5, mpidr_el1
  and x6, x5, #0xf
  mov x7, #CORE_STACK_STRIDE
  madd x4, x6, x7, x4
  mov sp, x4
  bl rom_fatal_exception            // (number, esr, elr, far), does not return
  b .

lower_exception:
  stp x6, x7, [sp, #48]
  stp x8, x9, [sp, #64]
  stp x10, x11, [sp, #80]
  stp x12, x13, [sp, #96]
  stp x14, x15, [sp, #112]
  stp x16, x17, [sp, #128]
  stp x18, x19, [sp, #144]
  stp x20, x21, [sp, #160]
  stp x22, x23, [sp, #176]
  stp x24, x25, [sp, #192]
  stp x26, x27, [sp, #208]
  stp x28, x29, [sp, #224]
  mrs x0, esr_el3
  mrs x1, elr_el3
  stp x30, x0, [sp, #240]
  mrs x2, spsr_el3
  mrs x3, far_el3
  stp x1, x2, [sp, #256]
  str x3, [sp, #272]
  mov x0, sp
  mov x29, xzr
  bl rom_lower_exception
  ldp x1, x2, [sp, #256]
  msr elr_el3, x1
  msr spsr_el3, x2
  ldr x30, [sp, #240]
  ldp x28, x29, [sp, #224]
  ldp x26, x27, [sp, #208]
  ldp x24, x25, [sp, #192]
  ldp x22, x23, [sp, #176]
  ldp x20, x21, [sp, #160]
  ldp x18, x19, [sp, #144]
  ldp x16, x17, [sp, #128]
  ldp x14, x15, [sp, #112]
  ldp x12, x13, [sp, #96]
  ldp x10, x11, [sp, #80]
  ldp x8, x9, [sp, #64]
  ldp x6, x7, [sp, #48]
  ldp x4, x5, [sp, #32]
  ldp x2, x3, [sp, #16]
  ldp x0, x1, [sp, #0]
  add sp, sp, #FRAME_SIZE
  eret
  dsb nsh
  isb
