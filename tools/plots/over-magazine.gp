# Something over magazine size, a curve a design. Designs without a magazine are level lines.
# Data: one block (index) a design, its name in the first line; columns magazine, median, min, max.
# Wants: data_file, title_text, caption_text, y_text, styles (a line type a block), and what style.gp
# wants. The scale is logarithmic, since designs differ tenfold, but where there is a 0.
load "style.gp"
set xlabel "magazine size (objects per CPU array)"
set logscale x 2
stats data_file using 3 nooutput # before there are ranges: it would heed them
blocks = STATS_blocks
y_low = STATS_min
stats data_file using 4 nooutput
y_high = STATS_max
points = STATS_records
if (y_low > 0) {
    set ylabel y_text . ", log scale"
    eval log_y
} else {
    set ylabel y_text # a share may be nothing
    set yrange [0:y_high > 0 ? y_high * 1.1 : 1]
}
set xrange [*:*] noextend
set offsets graph 0.02, graph 0.02, 0, 0
style(i) = int(word(styles, i + 1))
# Bars first, so that points lie on them.
if (points <= 12 * blocks) {
    # Few sizes: a tick for each of them.
    plot for [i=0:blocks-1] data_file index i using 1:2:3:4 \
             with yerrorbars linetype style(i) linewidth 1 dashtype 1 pointsize 0 notitle, \
         for [i=0:blocks-1] data_file index i using 1:2:xticlabels(1) \
             with linespoints linetype style(i) title columnheader(1)
} else {
    plot for [i=0:blocks-1] data_file index i using 1:2:3:4 \
             with yerrorbars linetype style(i) linewidth 1 dashtype 1 pointsize 0 notitle, \
         for [i=0:blocks-1] data_file index i using 1:2 \
             with linespoints linetype style(i) title columnheader(1)
}
