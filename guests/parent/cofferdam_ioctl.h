/* /dev/cofferdam: how a root program in the parent makes the monitor's calls (docs/hypercall-abi.md). */
#ifndef GUESTS_PARENT_COFFERDAM_IOCTL_H
#define GUESTS_PARENT_COFFERDAM_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define COFFERDAM_BUFFER_MAX 4096

/* In: x[0] the function, x[1..6] its arguments. Out: x[0..3] the results.
 * With buffer_length not 0, the caller's buffer goes into a page that holds zeros otherwise, the page's address goes
 * into x[buffer_argument] (1..6), and after the call the first buffer_length bytes of the page come back. */
struct cofferdam_call {
  __u64 x[7];
  __u64 buffer;
  __u32 buffer_length;
  __u32 buffer_argument;
};

#define COFFERDAM_CALL _IOWR(0xCF, 1, struct cofferdam_call)

#endif
