/* SPDX-License-Identifier: MIT */
/*
 * How a function that failed says why: a negative errno for the program, one sentence for the
 * person. The sentence names the thing, where it is wrong and what would be right; only tools/
 * prints it.
 */
#ifndef SLABLAB_SIM_ERROR_H
#define SLABLAB_SIM_ERROR_H

struct error {
    char text[1024];
};

/*
 * Writes the sentence into `error` (which may be NULL: nobody wants to know) and returns -code, so
 * that a failing function ends in `return error_set(error, EINVAL, "...")`.
 */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__
/* It does not look into other files, and would take a failure for a 0 that is returned. */
#define error_set(error, code, ...) (error_set(error, code, __VA_ARGS__), -(code))
#endif

/* Puts "<prefix>: " before the sentence already there; returns `code` unchanged. */
int error_prefix(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
