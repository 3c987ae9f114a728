/* SPDX-License-Identifier: MIT */
/* A program that looks at no result of any call: the sweep must find that out. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    char *text = malloc(64);
    int file = open("out.txt.new", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ssize_t written;

    strcpy(text, "a whole result\n");
    written = write(file, text, strlen(text));
    (void)written;
    close(file);
    free(text);
    rename("out.txt.new", "out.txt");
    return 0;
}
