/* /dev/attack: what root can do to the machine beneath it, for tests. mmap's offset is a physical address. */
#ifndef GUESTS_PARENT_ATTACK_IOCTL_H
#define GUESTS_PARENT_ATTACK_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ATTACK_HVC 0
#define ATTACK_SMC 1
#define ATTACK_READ_REGISTER 2  /* MRS into x[0] */
#define ATTACK_WRITE_REGISTER 3 /* MSR from x[0] */
#define ATTACK_SYS 4            /* SYS (TLBI, DC, AT ...) with x[0] */

/* encoding: op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2. syndrome: 0, or ESR_EL1 of the exception it ended in. */
struct attack_instruction {
  __u64 x[18];
  __u64 syndrome;
  __u32 kind;
  __u32 encoding;
};

#define ATTACK_EXECUTE _IOWR(0xCF, 2, struct attack_instruction)

#endif
