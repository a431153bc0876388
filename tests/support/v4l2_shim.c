/* A camera without hardware: preloaded into a process, it makes /dev/video0 a capture device.
 *
 * It streams Motion JPEG through mapped buffers, and its exposure obeys late, as that of real webcams does. The pictures
 * are files level_00.jpg .. level_63.jpg in the folder V4L2_SHIM_DIR: the brighter the exposure, the higher the number.
 * The folder also holds switches, each an empty file: unplugged, busy, denied, no_exposure, not_a_camera. What is told
 * to the controls is written to the file controls.log there.
 *
 * V4L2_SHIM_LATENCY: frames until a change of exposure lands (3). V4L2_SHIM_RATE: frames per second (60).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4, SIZE = 1 << 18, WIDTH = 160, HEIGHT = 96, QUEUE = 64 };

static int device = -1, memory = -1, streaming, queued[BUFFERS], head, tail;
static unsigned frame;
static struct { unsigned lands; int value; } coming[QUEUE];
static int coming_head, coming_tail;
static int automatic = 3, priority = 1, exposure = 156;

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

static int is_switched(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", getenv("V4L2_SHIM_DIR"), name);
    return access(path, F_OK) == 0;
}

static void note(const char *name, int value) {
    char path[512];
    snprintf(path, sizeof path, "%s/controls.log", getenv("V4L2_SHIM_DIR"));
    FILE *log = fopen(path, "a");
    if (log) {
        fprintf(log, "%s=%d\n", name, value);
        fclose(log);
    }
}

static int refuse(int reason) {
    errno = reason;
    return -1;
}

static int open_device(void) {
    if (is_switched("unplugged")) return refuse(ENOENT);
    if (is_switched("denied")) return refuse(EACCES);
    if (memory < 0) memory = memfd_create("frames", 0), ftruncate(memory, BUFFERS * SIZE);
    streaming = 0;
    head = tail = 0;
    return device = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
}

static int load(void *into) { /* the picture of the present exposure, which is 100 us times its value */
    while (coming_head != coming_tail && coming[coming_head % QUEUE].lands <= frame)
        exposure = coming[coming_head++ % QUEUE].value;
    int level = 32 + (int)lround(6 * log2(exposure / 50.0));
    char path[512];
    snprintf(path, sizeof path, "%s/level_%02d.jpg", getenv("V4L2_SHIM_DIR"), level < 0 ? 0 : level > 63 ? 63 : level);
    FILE *file = fopen(path, "rb");
    int length = file ? (int)fread(into, 1, SIZE, file) : 0;
    if (file) fclose(file);
    return length;
}

static int set_control(struct v4l2_control *told) {
    switch (told->id) {
    case V4L2_CID_EXPOSURE_AUTO: automatic = told->value; note("auto", told->value); return 0;
    case V4L2_CID_EXPOSURE_AUTO_PRIORITY: priority = told->value; note("priority", told->value); return 0;
    case V4L2_CID_EXPOSURE_ABSOLUTE:
        if (automatic != V4L2_EXPOSURE_MANUAL) return refuse(EIO);
        if (coming_tail - coming_head < QUEUE) {
            coming[coming_tail % QUEUE].lands = frame + number("V4L2_SHIM_LATENCY", 3);
            coming[coming_tail++ % QUEUE].value = told->value;
        }
        note("exposure", told->value);
        return 0;
    }
    return refuse(EINVAL);
}

static int get_control(struct v4l2_control *asked) {
    switch (asked->id) {
    case V4L2_CID_EXPOSURE_AUTO: asked->value = automatic; return 0;
    case V4L2_CID_EXPOSURE_AUTO_PRIORITY: asked->value = priority; return 0;
    case V4L2_CID_EXPOSURE_ABSOLUTE: asked->value = exposure; return 0;
    }
    return refuse(EINVAL);
}

static int describe_control(struct v4l2_queryctrl *asked) {
    int known = asked->id == V4L2_CID_EXPOSURE_AUTO || asked->id == V4L2_CID_EXPOSURE_AUTO_PRIORITY ||
                asked->id == V4L2_CID_EXPOSURE_ABSOLUTE;
    if (!known || is_switched("no_exposure")) return refuse(EINVAL);
    strcpy((char *)asked->name, asked->id == V4L2_CID_EXPOSURE_ABSOLUTE ? "Exposure Time, Absolute"
                                : asked->id == V4L2_CID_EXPOSURE_AUTO   ? "Auto Exposure"
                                                                         : "Exposure, Dynamic Framerate");
    asked->minimum = asked->id == V4L2_CID_EXPOSURE_ABSOLUTE ? 1 : 0;
    asked->maximum = asked->id == V4L2_CID_EXPOSURE_ABSOLUTE ? 5000 : 3;
    asked->step = 1;
    asked->flags = 0;
    return 0;
}

static void start_clock(int rate) {
    struct itimerspec every = {{0, 1000000000L / rate}, {0, 1000000000L / rate}};
    timerfd_settime(device, 0, &every, NULL);
    streaming = 1;
}

static int take_frame(struct v4l2_buffer *buffer) {
    unsigned long long ticks;
    if (!streaming || read(device, &ticks, sizeof ticks) < 0) return refuse(EAGAIN);
    if (head == tail) return refuse(EAGAIN);
    frame++;
    int index = queued[head++ % BUFFERS];
    void *at = mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, memory, (off_t)index * SIZE);
    buffer->index = index;
    buffer->bytesused = load(at);
    munmap(at, SIZE);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->sequence = frame;
    buffer->length = SIZE;
    return 0;
}

static int answer(unsigned long request, void *argument) {
    if (is_switched("unplugged")) return refuse(ENODEV);
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *found = argument;
        memset(found, 0, sizeof *found);
        strcpy((char *)found->card, "Shim Camera");
        found->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
        found->device_caps = is_switched("not_a_camera") ? V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING
                                                         : V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case VIDIOC_ENUM_FMT: {
        struct v4l2_fmtdesc *asked = argument;
        if (asked->index > 1) return refuse(EINVAL);
        asked->pixelformat = asked->index ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
        return 0;
    }
    case VIDIOC_S_FMT:
        if (is_switched("busy")) return refuse(EBUSY);
        /* fall through */
    case VIDIOC_G_FMT: {
        struct v4l2_format *format = argument;
        format->fmt.pix.width = WIDTH;
        format->fmt.pix.height = HEIGHT;
        format->fmt.pix.pixelformat = V4L2_PIX_FMT_MJPEG;
        format->fmt.pix.sizeimage = SIZE;
        return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_streamparm *parameters = argument;
        parameters->parm.capture.timeperframe.numerator = 1;
        parameters->parm.capture.timeperframe.denominator = number("V4L2_SHIM_RATE", 60);
        return 0;
    }
    case VIDIOC_REQBUFS: ((struct v4l2_requestbuffers *)argument)->count = BUFFERS; return 0;
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        buffer->length = SIZE;
        buffer->m.offset = buffer->index * SIZE;
        return 0;
    }
    case VIDIOC_QBUF: queued[tail++ % BUFFERS] = ((struct v4l2_buffer *)argument)->index; return 0;
    case VIDIOC_DQBUF: return take_frame(argument);
    case VIDIOC_STREAMON: start_clock(number("V4L2_SHIM_RATE", 60)); return 0;
    case VIDIOC_STREAMOFF: streaming = 0; return 0;
    case VIDIOC_QUERYCTRL: return describe_control(argument);
    case VIDIOC_G_CTRL: return get_control(argument);
    case VIDIOC_S_CTRL: return set_control(argument);
    }
    return refuse(ENOTTY);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opened(const char *path, int flags, va_list rest, const char *name) {
    if (strcmp(path, "/dev/video0") == 0) return open_device();
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name))(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int fd = opened(path, flags, rest, "open");
    va_end(rest);
    return fd;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int fd = opened(path, flags, rest, "open64");
    va_end(rest);
    return fd;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fd >= 0 && fd == device ? answer(request, argument) : REAL(ioctl)(fd, request, argument);
}

int close(int fd) {
    if (fd >= 0 && fd == device) device = -1;
    return REAL(close)(fd);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return REAL(mmap)(at, length, protection, flags, fd >= 0 && fd == device ? memory : fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap(at, length, protection, flags, fd, offset);
}
