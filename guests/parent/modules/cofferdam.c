// The device /dev/cofferdam: root's programs in the parent make the monitor's calls through it.
#include <linux/arm-smccc.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "../cofferdam_ioctl.h"

static void hypercall(struct cofferdam_call* call) {
  struct arm_smccc_1_2_regs in = {}, out = {};
  in.a0 = call->x[0];
  in.a1 = call->x[1];
  in.a2 = call->x[2];
  in.a3 = call->x[3];
  in.a4 = call->x[4];
  in.a5 = call->x[5];
  in.a6 = call->x[6];
  arm_smccc_1_2_hvc(&in, &out);
  call->x[0] = out.a0;
  call->x[1] = out.a1;
  call->x[2] = out.a2;
  call->x[3] = out.a3;
}

static long call_with_buffer(struct cofferdam_call* call) {
  void __user* buffer = u64_to_user_ptr(call->buffer);
  long status = 0;
  void* page = (void*)get_zeroed_page(GFP_KERNEL);
  if (!page) return -ENOMEM;
  if (copy_from_user(page, buffer, call->buffer_length)) {
    status = -EFAULT;
  } else {
    call->x[call->buffer_argument] = virt_to_phys(page);
    hypercall(call);
    if (copy_to_user(buffer, page, call->buffer_length)) status = -EFAULT;
  }
  free_page((unsigned long)page);
  return status;
}

static long cofferdam_ioctl(struct file* file, unsigned int command, unsigned long argument) {
  struct cofferdam_call call;
  long status = 0;
  if (command != COFFERDAM_CALL) return -ENOTTY;
  if (copy_from_user(&call, (void __user*)argument, sizeof(call))) return -EFAULT;
  if (call.buffer_length > COFFERDAM_BUFFER_MAX || call.buffer_length > PAGE_SIZE) return -EINVAL;
  if (call.buffer_length && (call.buffer_argument < 1 || call.buffer_argument > 6)) return -EINVAL;
  if (call.buffer_length)
    status = call_with_buffer(&call);
  else
    hypercall(&call);
  if (!status && copy_to_user((void __user*)argument, &call, sizeof(call))) status = -EFAULT;
  return status;
}

static const struct file_operations operations = {
    .owner = THIS_MODULE,
    .unlocked_ioctl = cofferdam_ioctl,
};

static struct miscdevice device = {
    .minor = MISC_DYNAMIC_MINOR,
    .name = "cofferdam",
    .mode = 0600,
    .fops = &operations,
};

static int __init cofferdam_init(void) {
  // Where firmware is not called by HVC there is nobody to answer one, and the instruction is undefined.
  if (arm_smccc_1_1_get_conduit() != SMCCC_CONDUIT_HVC) return -ENODEV;
  return misc_register(&device);
}
static void __exit cofferdam_exit(void) { misc_deregister(&device); }

module_init(cofferdam_init);
module_exit(cofferdam_exit);
MODULE_DESCRIPTION("Calls to the Cofferdam monitor");
MODULE_LICENSE("Dual MIT/GPL");
