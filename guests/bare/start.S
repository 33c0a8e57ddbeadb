// First instructions of every bare guest, and its exception vectors. EL1h, MMU off, x0 = what the monitor passed.
//
// The MMU goes on at once, with 1 GiB blocks one to one: RAM as normal memory (unaligned accesses allowed), the rest
// of what a parent has as device memory. A guest that wants more cores enters them at bare_secondary_start.

  .section .text.start, "ax"
  .global _start
_start:
  mov x19, x0
  adrp x0, bare_stack_end
  add x0, x0, :lo12:bare_stack_end
  mov sp, x0
  adrp x0, __bss_start
  add x0, x0, :lo12:__bss_start
  adrp x1, __bss_end
  add x1, x1, :lo12:__bss_end
1:cmp x0, x1
  b.hs 2f
  stp xzr, xzr, [x0], #16
  b 1b

2:adrp x0, level1
  add x0, x0, :lo12:level1
  ldr x1, =0x0060000000000405        // device nGnRE, accessed, never executed, block
  str x1, [x0]                       // 0x0000000000: devices, PCI memory
  orr x2, x1, #0x4000000000
  str x2, [x0, #(256 * 8)]           // 0x4000000000: PCI configuration space
  ldr x1, =0x40000701                // normal write-back, inner shareable, accessed, block
  str x1, [x0, #8]                   // 0x0040000000
  ldr x1, =0x80000701
  str x1, [x0, #16]                  // 0x0080000000
  bl enable_mmu
  adrp x0, boot_record
  add x0, x0, :lo12:boot_record
  msr tpidr_el1, x0
  mov x0, x19
  mov x29, xzr
  bl bare_main
3:wfi
  b 3b

  // x0 = top of a stack that ends in { void (*function)(u64), u64 argument, six words for the exception record }.
  .global bare_secondary_start
bare_secondary_start:
  mov x19, x0
  bl enable_mmu
  sub sp, x19, #64
  add x0, sp, #16
  msr tpidr_el1, x0
  ldp x1, x0, [sp]
  mov x29, xzr
  blr x1
4:wfi
  b 4b

enable_mmu:
  ldr x1, =0x04ff                    // MAIR: 0 normal write-back, 1 device nGnRE
  msr mair_el1, x1
  ldr x1, =0x280803519               // TCR: T0SZ 25, walks WB inner shareable, 4 KiB, no TTBR1, 40-bit output
  msr tcr_el1, x1
  adrp x1, level1
  add x1, x1, :lo12:level1
  msr ttbr0_el1, x1
  adrp x1, vectors
  add x1, x1, :lo12:vectors
  msr vbar_el1, x1
  dsb sy
  isb
  mrs x1, sctlr_el1
  orr x1, x1, #1                     // M
  orr x1, x1, #4                     // C
  orr x1, x1, #0x1000                // I
  msr sctlr_el1, x1
  isb
  ret

  // A data abort or an undefined instruction is recorded (ExceptionRecord, probe.hpp) and stepped over; an abort of a
  // fetch returns to the caller of what could not be fetched. So a probe can ask and report.
  .macro entry
  .balign 0x80
  b exception
  .endm
  .balign 0x800
vectors:
  .rept 16
  entry
  .endr

exception:
  sub sp, sp, #32
  stp x0, x1, [sp]
  stp x2, x3, [sp, #16]
  mrs x0, tpidr_el1
  ldr x1, [x0]                       // count
  add x1, x1, #1
  str x1, [x0]
  mrs x1, esr_el1
  mrs x2, far_el1
  stp x1, x2, [x0, #8]
  mrs x3, elr_el1
  str x3, [x0, #24]
  lsr x1, x1, #26
  cmp x1, #0x21                      // instruction abort from this level
  b.eq 5f
  add x3, x3, #4
  msr elr_el1, x3
  b 6f
5:msr elr_el1, x30
6:ldp x2, x3, [sp, #16]
  ldp x0, x1, [sp]
  add sp, sp, #32
  eret

  .bss
  .balign 4096
level1:
  .skip 4096
  .skip 32768
  .global bare_stack_end
bare_stack_end:
boot_record:
  .skip 64
