/* What a disk without power may forget: which bytes of which files were written, and not flushed since. */
enum { MOST_FILES = 1024 };

/* A file that was written: what of it is safe, and what lies between. */
struct file {
    dev_t device;
    ino_t number;
    int descriptor; /* Of our own, so that no renaming hides it. */
    off_t safe_size, from, to;
};
static struct file files[MOST_FILES];
static int files_used;

static struct file *known(int descriptor, int add) {
    struct stat about;
    if (fstat(descriptor, &about) || !S_ISREG(about.st_mode)) return NULL;
    for (int i = 0; i < files_used; i++)
        if (files[i].number == about.st_ino && files[i].device == about.st_dev) return &files[i];
    if (!add || files_used == MOST_FILES) return NULL;
    struct file *file = &files[files_used];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    file->descriptor = REAL(open)(link, O_RDWR | O_CLOEXEC);
    if (file->descriptor < 0) return NULL;
    file->device = about.st_dev;
    file->number = about.st_ino;
    file->safe_size = about.st_size;
    file->from = file->to = 0;
    files_used++;
    return file;
}

static void wrote(int descriptor, off_t from, off_t to) {
    if (mode != PLUG) return;
    pthread_mutex_lock(&lock);
    struct file *file = known(descriptor, 1);
    if (file != NULL) {
        if (file->to == 0 || from < file->from) file->from = from;
        if (to > file->to) file->to = to;
    }
    pthread_mutex_unlock(&lock);
}

/* How large it is before anything of it is at risk. */
static void begins_to_write(int descriptor) {
    if (mode != PLUG) return;
    pthread_mutex_lock(&lock);
    known(descriptor, 1);
    pthread_mutex_unlock(&lock);
}

static void flushed(int descriptor) {
    if (mode != PLUG) return;
    pthread_mutex_lock(&lock);
    struct file *file = known(descriptor, 0);
    struct stat about;
    if (file != NULL && fstat(descriptor, &about) == 0) {
        file->safe_size = about.st_size;
        file->from = file->to = 0;
    }
    pthread_mutex_unlock(&lock);
}

/* The worst that a disk without power may do: what was not flushed is not there, or is zero. */
static void forget_what_was_not_flushed(void) {
    static char zeros[65536];
    for (int i = 0; i < files_used; i++) {
        struct file *file = &files[i];
        if (file->to == 0) continue;
        REAL(ftruncate)(file->descriptor, file->safe_size);
        off_t end = file->to < file->safe_size ? file->to : file->safe_size;
        for (off_t at = file->from; at < end; at += sizeof zeros)
            REAL(pwrite)(file->descriptor, zeros, (size_t)(end - at) < sizeof zeros ? (size_t)(end - at) : sizeof zeros, at);
    }
}
