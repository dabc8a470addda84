// SPDX-License-Identifier: GPL-3.0-or-later
// The first bytes of the AppImage: a static program that mounts the squashfs image behind itself, or
// unpacks it where FUSE is missing, and becomes the AppRun inside.
//
// Two processes: the one the user started becomes the app, so signals, exit code and process number
// are the app's own; another one serves the file system (or keeps the unpacked folder) and cleans up
// when the first is gone, however it ended. Nothing is inherited by what the app starts.
#define _GNU_SOURCE
#define FUSE_USE_VERSION 32
#include <squashfuse/ll.h>
#include <squashfuse/squashfuse.h>
#include <zstd.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELF "/proc/self/exe"
#define EXIT_TROUBLE 127

// Filled in by packaging/appimage.sh; tools that update AppImages look for this section.
__attribute__((section(".upd_info"), used)) static char update_information[1024] = {0};

static char self_path[PATH_MAX];

static void complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", self_path[0] ? self_path : "AppImage");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

__attribute__((noreturn)) static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", self_path[0] ? self_path : "AppImage");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_TROUBLE);
}

// ---- squashfuse's table of decompressors, with the one we use: the library's own would pull in four
// more compression libraries.

static sqfs_err unpack_zstd(void *in, size_t in_size, void *out, size_t *out_size)
{
    const size_t size = ZSTD_decompress(out, *out_size, in, in_size);
    if (ZSTD_isError(size))
        return SQFS_ERR;
    *out_size = size;
    return SQFS_OK;
}

sqfs_decompressor sqfs_decompressor_get(sqfs_compression_type type)
{
    return type == ZSTD_COMPRESSION ? unpack_zstd : NULL;
}

char *sqfs_compression_name(sqfs_compression_type type)
{
    static char zstd[] = "zstd";
    return type == ZSTD_COMPRESSION ? zstd : NULL;
}

void sqfs_compression_supported(sqfs_compression_type *types)
{
    memset(types, SQFS_COMP_UNKNOWN, SQFS_COMP_MAX * sizeof *types);
    types[0] = ZSTD_COMPRESSION;
}

// ---- The image behind the program

static off_t end_of_program(int fd)
{
    Elf64_Ehdr header;
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        die("cannot read its own file");
    off_t end = (off_t)(header.e_shoff + (Elf64_Off)header.e_shnum * header.e_shentsize);
    for (int i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment;
        const off_t at = (off_t)(header.e_phoff + (Elf64_Off)i * sizeof segment);
        if (pread(fd, &segment, sizeof segment, at) != (ssize_t)sizeof segment)
            die("cannot read its own file");
        const off_t segment_end = (off_t)(segment.p_offset + segment.p_filesz);
        if (segment_end > end)
            end = segment_end;
    }
    return end;
}

static off_t image_offset(void)
{
    const int fd = open(SELF, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die("cannot open its own file by " SELF ": %s", strerror(errno));
    const off_t offset = end_of_program(fd);
    struct squashfs_super_block super;
    struct stat info;
    if (fstat(fd, &info) != 0
        || pread(fd, &super, sizeof super, offset) != (ssize_t)sizeof super
        || super.s_magic != SQUASHFS_MAGIC)
        die("this file is incomplete: its contents are missing. Download it again.");
    if (offset + (off_t)super.bytes_used > info.st_size)
        die("this file is incomplete: it has %lld of %lld bytes. Download it again.",
            (long long)info.st_size, (long long)offset + (long long)super.bytes_used);
    close(fd);
    return offset;
}

static void open_image(sqfs *fs, off_t offset)
{
    memset(fs, 0, sizeof *fs);
    const int fd = open(SELF, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || sqfs_init(fs, fd, (size_t)offset) != SQFS_OK)
        die("the contents of this file are damaged. Download it again.");
}

// ---- Unpacking

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
}

static int write_file(sqfs *fs, sqfs_inode *inode, const char *path)
{
    const mode_t mode = (inode->base.mode & 0777) | S_IRUSR | S_IWUSR;
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return -1;
    static char block[1 << 20];
    uint64_t at = 0;
    while (at < inode->xtra.reg.file_size) {
        sqfs_off_t size = sizeof block;
        if (sqfs_read_range(fs, inode, (sqfs_off_t)at, &size, block) != SQFS_OK || size <= 0) {
            errno = EIO;
            break;
        }
        for (sqfs_off_t done = 0; done < size;) {
            const ssize_t n = write(fd, block + done, (size_t)(size - done));
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0) {
                const int code = n < 0 ? errno : ENOSPC;
                close(fd);
                errno = code;
                return -1;
            }
            done += n;
        }
        at += (uint64_t)size;
    }
    if (at < inode->xtra.reg.file_size || fchmod(fd, mode) != 0) {
        const int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return close(fd); // a full disk may only be told here
}

static int write_link(sqfs *fs, sqfs_inode *inode, const char *path)
{
    char target[PATH_MAX];
    size_t size = sizeof target;
    if (sqfs_readlink(fs, inode, target, &size) != SQFS_OK) {
        errno = EIO;
        return -1;
    }
    return symlink(target, path);
}

/// Unpacks everything below `folder`, which exists; 0, or -1 after having said why.
static int unpack(off_t offset, const char *folder)
{
    sqfs fs;
    open_image(&fs, offset);
    sqfs_traverse walk;
    if (sqfs_traverse_open(&walk, &fs, sqfs_inode_root(&fs)) != SQFS_OK) {
        complain("the contents of this file are damaged. Download it again.");
        return -1;
    }
    sqfs_err error = SQFS_OK;
    int result = 0;
    while (result == 0 && sqfs_traverse_next(&walk, &error)) {
        if (walk.dir_end)
            continue;
        char path[PATH_MAX];
        sqfs_inode inode;
        errno = ENAMETOOLONG;
        if (snprintf(path, sizeof path, "%s/%s", folder, walk.path) >= (int)sizeof path)
            result = -1;
        else if (sqfs_inode_get(&fs, &inode, sqfs_dentry_inode(&walk.entry)) != SQFS_OK)
            errno = EIO, result = -1;
        else if (S_ISDIR(inode.base.mode))
            result = mkdir(path, 0755);
        else if (S_ISREG(inode.base.mode))
            result = write_file(&fs, &inode, path);
        else if (S_ISLNK(inode.base.mode))
            result = write_link(&fs, &inode, path);
        if (result != 0)
            complain("cannot unpack to %s: %s", path, strerror(errno));
    }
    if (error != SQFS_OK && result == 0) {
        complain("the contents of this file are damaged. Download it again.");
        result = -1;
    }
    sqfs_traverse_close(&walk);
    sqfs_destroy(&fs);
    close(fs.fd);
    return result;
}

// ---- The second process

static int open_process(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/// Without a descriptor (kernels before 5.3) the number has to do.
static int is_gone(int process, pid_t pid)
{
    if (process < 0)
        return kill(pid, 0) != 0 && errno == ESRCH;
    struct pollfd wait = {process, POLLIN, 0};
    return poll(&wait, 1, 0) > 0;
}

/// Leaves the terminal, the session and the streams of who started us, and the signals of both.
static void detach(void)
{
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN); // at the end of a session the app must not lose its files first
    signal(SIGPIPE, SIG_IGN);
    const int nothing = open("/dev/null", O_RDWR);
    if (nothing >= 0) {
        dup2(nothing, 0);
        dup2(nothing, 1);
        dup2(nothing, 2);
        if (nothing > 2)
            close(nothing);
    }
    if (chdir("/") != 0)
        _exit(EXIT_TROUBLE);
}

static void silence(enum fuse_log_level level, const char *format, va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
}

static pid_t start_unmount(const char *folder)
{
    const pid_t child = fork();
    if (child != 0)
        return child;
    // Not lazily: as long as something still runs from here, it is served.
    if (umount2(folder, UMOUNT_NOFOLLOW) == 0)
        _exit(0);
    if (geteuid() != 0)
        execlp("fusermount3", "fusermount3", "-u", "-q", "--", folder, (char *)NULL);
    _exit(1);
}

/// Serves until the app is gone and nothing uses the mount any more.
static void serve(struct fuse_session *session, const char *folder, int process, pid_t app)
{
    struct fuse_buf buffer = {0};
    pid_t unmounting = 0;
    int gone = 0;
    int pause_ms = 10;
    while (!fuse_session_exited(session)) {
        struct pollfd wait[2] = {{fuse_session_fd(session), POLLIN, 0}, {process, POLLIN, 0}};
        const int timeout = gone ? pause_ms : process < 0 ? 1000 : -1;
        const int ready = poll(wait, gone || process < 0 ? 1 : 2, timeout);
        if (ready < 0 && errno != EINTR)
            break;
        if (ready > 0 && wait[0].revents != 0) {
            const int size = fuse_session_receive_buf(session, &buffer);
            if (size == -EINTR || size == -EAGAIN)
                continue;
            if (size <= 0)
                break;
            fuse_session_process_buf(session, &buffer);
        }
        gone = gone || is_gone(process, app);
        if (!gone)
            continue;
        int status = 0;
        if (unmounting > 0 && waitpid(unmounting, &status, WNOHANG) == unmounting) {
            unmounting = 0;
            // Sandboxes that began meanwhile hold copies of the mount in namespaces of their own,
            // of which they use nothing: these would keep the file system, but are no reason to.
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                break;
            pause_ms = pause_ms < 1000 ? pause_ms * 2 : 1000;
        } else if (unmounting <= 0 && (ready == 0 || pause_ms == 10)) {
            unmounting = start_unmount(folder);
        }
    }
    if (unmounting > 0)
        waitpid(unmounting, NULL, 0);
    rmdir(folder);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = sqfs_ll_op_lookup,
    .forget = sqfs_ll_op_forget,
    .getattr = sqfs_ll_op_getattr,
    .readlink = sqfs_ll_op_readlink,
    .open = sqfs_ll_op_open,
    .read = sqfs_ll_op_read,
    .release = sqfs_ll_op_release,
    .opendir = sqfs_ll_op_opendir,
    .readdir = sqfs_ll_op_readdir,
    .releasedir = sqfs_ll_op_releasedir,
    .statfs = stfs_ll_op_statfs,
    .getxattr = sqfs_ll_op_getxattr,
    .listxattr = sqfs_ll_op_listxattr,
};

static void mount_and_serve(off_t offset, const char *folder, int process, pid_t app, int report)
{
    detach();
    fuse_set_log_func(silence);
    static sqfs_ll image;
    open_image(&image.fs, offset);
    if (sqfs_ll_init(&image) != SQFS_OK)
        _exit(EXIT_TROUBLE);
    char program[] = "moru-desktop";
    char option[] = "-o";
    char options[] = "ro,nosuid,nodev,fsname=Moru_Desktop.AppImage,subtype=appimage";
    char *argv[] = {program, option, options, NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(3, argv);
    struct fuse_session *session =
        fuse_session_new(&arguments, &operations, sizeof operations, &image);
    if (!session || fuse_session_mount(session, folder) != 0)
        _exit(EXIT_TROUBLE);
    if (write(report, "m", 1) != 1)
        _exit(EXIT_TROUBLE);
    close(report);
    serve(session, folder, process, app);
    _exit(0);
}

static void keep_folder(const char *folder, int process, pid_t app)
{
    detach();
    while (!is_gone(process, app)) {
        struct pollfd wait = {process, POLLIN, 0};
        poll(&wait, process < 0 ? 0 : 1, process < 0 ? 1000 : -1);
    }
    remove_tree(folder);
    _exit(0);
}

/// Runs `work` in a grandchild, so that the app has no child it did not start. Returns in the first
/// process only.
#define IN_SECOND_PROCESS(work)                                                                    \
    do {                                                                                           \
        const pid_t child = fork();                                                                \
        if (child == 0) {                                                                          \
            if (fork() == 0) {                                                                     \
                work;                                                                              \
            }                                                                                      \
            _exit(0);                                                                              \
        }                                                                                          \
        if (child > 0)                                                                             \
            while (waitpid(child, NULL, 0) < 0 && errno == EINTR)                                  \
                ;                                                                                  \
    } while (0)

// ---- The first process

static char *make_folder(const char *kind)
{
    const char *base = getenv("TMPDIR");
    char *folder = NULL;
    if (!base || base[0] != '/')
        base = "/tmp";
    if (asprintf(&folder, "%s/.%s_moru-desktop-XXXXXX", base, kind) < 0)
        die("there is no memory left");
    if (!mkdtemp(folder))
        die("cannot make a folder in %s: %s", base, strerror(errno));
    return folder;
}

/// The folder with the mounted image; NULL where FUSE does not work.
static char *mounted(off_t offset)
{
    // Without this file, as in some containers, fusermount3 mounts but refuses to unmount.
    if (geteuid() != 0 && access("/etc/mtab", F_OK) != 0)
        return NULL;
    char *folder = make_folder("mount");
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        die("cannot make a pipe: %s", strerror(errno));
    const pid_t app = getpid();
    const int process = open_process(app);
    IN_SECOND_PROCESS(close(report[0]);
                      mount_and_serve(offset, folder, process, app, report[1]));
    close(report[1]);
    char answer = 0;
    ssize_t n;
    do
        n = read(report[0], &answer, 1);
    while (n < 0 && errno == EINTR);
    close(report[0]);
    if (process >= 0)
        close(process);
    if (n == 1)
        return folder;
    rmdir(folder);
    free(folder);
    return NULL;
}

static char *unpacked(off_t offset)
{
    char *folder = make_folder("unpacked");
    const pid_t app = getpid();
    const int process = open_process(app);
    // First the keeper, so that an interrupted start leaves nothing behind either.
    IN_SECOND_PROCESS(keep_folder(folder, process, app));
    if (process >= 0)
        close(process);
    if (unpack(offset, folder) != 0)
        exit(EXIT_TROUBLE);
    return folder;
}

static int is_on(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] && strcmp(value, "0") != 0;
}

static void become_app(const char *folder, char **argv)
{
    char *program = NULL;
    char *here = get_current_dir_name();
    if (asprintf(&program, "%s/AppRun", folder) < 0)
        die("there is no memory left");
    setenv("APPDIR", folder, 1);
    setenv("APPIMAGE", self_path, 1);
    setenv("ARGV0", argv[0] ? argv[0] : self_path, 1);
    if (here)
        setenv("OWD", here, 1);
    unsetenv("APPIMAGE_EXTRACT_AND_RUN");
    execv(program, argv);
    die("cannot start %s: %s", program, strerror(errno));
}

static const char help[] =
    "Options of the AppImage itself; all others go to Moru Desktop:\n"
    "  --appimage-extract             unpack to the folder squashfs-root\n"
    "  --appimage-extract-and-run     unpack to a temporary folder, run, remove it\n"
    "                                 (also with APPIMAGE_EXTRACT_AND_RUN=1)\n"
    "  --appimage-mount               mount, say where, wait for the end of this process\n"
    "  --appimage-offset              print where the squashfs image begins\n"
    "  --appimage-updateinformation   print the update information\n"
    "  --appimage-version             print what this runtime is\n"
    "Called by the name moru-local it runs the local engine's commands.\n"
    "Without FUSE it unpacks itself by itself.\n";

int main(int argc, char **argv)
{
    const ssize_t size = readlink(SELF, self_path, sizeof self_path - 1);
    if (size < 0)
        die("/proc must be mounted: %s", strerror(errno));
    const char *option = argc > 1 && strncmp(argv[1], "--appimage-", 11) == 0 ? argv[1] + 11 : NULL;
    if (option && strcmp(option, "help") == 0)
        return fputs(help, stdout) < 0;
    if (option && strcmp(option, "version") == 0)
        return puts("Moru Desktop's own AppImage runtime (type 2, FUSE 3, zstd)") < 0;
    if (option && strcmp(option, "updateinformation") == 0)
        return printf("%.*s\n", (int)sizeof update_information, update_information) < 0;

    const off_t offset = image_offset();
    if (option && strcmp(option, "offset") == 0)
        return printf("%lld\n", (long long)offset) < 0;
    if (option && strcmp(option, "extract") == 0) {
        static const char folder[] = "squashfs-root";
        if (argc > 2)
            die("--appimage-extract takes no further words");
        if (mkdir(folder, 0755) != 0)
            die("cannot make the folder %s here: %s", folder, strerror(errno));
        if (unpack(offset, folder) == 0)
            return puts(folder) < 0;
        remove_tree(folder);
        return EXIT_TROUBLE;
    }
    if (option && strcmp(option, "mount") == 0) {
        const char *folder = mounted(offset);
        if (!folder)
            die("FUSE does not work here: /dev/fuse or fusermount3 (package fuse3) is missing");
        puts(folder);
        fflush(stdout);
        for (;;)
            pause();
    }
    int extract = is_on("APPIMAGE_EXTRACT_AND_RUN");
    if (option && strcmp(option, "extract-and-run") == 0) {
        extract = 1;
        argv[1] = argv[0];
        ++argv;
    } else if (option) {
        die("there is no option %s; see --appimage-help", argv[1]);
    }
    char *folder = extract ? NULL : mounted(offset);
    if (!folder)
        folder = unpacked(offset);
    become_app(folder, argv);
}
