# Run gnuplot hackbench-latency-by-layer-2-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-latency-by-layer-2-threads.svg'
data_file = 'hackbench-latency-by-layer-2-threads.dat'
title_text = 'Latency by the deepest layer that an operation reached, 2 threads'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
note_text = 'all runs together; times include one reading of the clock'
array names[35] = ["slab", "page", "slab", "cpu", "slab", "page", "cpu", "slab", "page", "cpu", "depot", "slab", "page", "cpu", "depot", "slab", "cpu", "cpu", "cpu", "depot", "page", "cpu", "slab", "page", "cpu", "slab", "page", "cpu", "slab", "page", "cpu", "slab", "page", "cpu", "slab"]
styles = ' 102 103 112 200 202 203 210 212 213 300 301 302 303 310 311 312 400 410 500 501 503 510 512 513 600 602 603 610 612 613 700 702 703 710 712'
panel1 = 'bufctl'
panel2 = 'helenos (64)'
panel3 = 'magazine (64)'
panel4 = 'malloc:libc'
panel5 = 'slabifier'
panel6 = 'spl (32)'
panel7 = 'x15 (64)'
panels = 7

# Latency by the deepest layer that an operation touched, a panel a design: solid allocations, dashed
# frees. Share of the operations of that layer that took no longer than a time, as in latency.gp.
# Data: a block a curve, the layer in its first line; columns time (ns), share that took longer.
# Wants: data_file, panels, panel1 ... (their titles), styles (a word a block: number of its panel, a
# digit for the operation, a digit for the layer), names, and what style.gp wants.
columns = panels <= 3 ? panels : panels == 4 ? 2 : 3
rows = int((panels + columns - 1) / columns)
canvas_height = 160 + 260 * rows
load "style.gp"
layer_colors = "#0072B2 #E69F00 #D55E00 #000000"
layer_marks = "7 9 5 13"
panel(i) = int(substr(word(styles, i + 1), 1, strlen(word(styles, i + 1)) - 2))
digit(i, back) = int(substr(word(styles, i + 1), strlen(word(styles, i + 1)) - back, \
                            strlen(word(styles, i + 1)) - back))
stats data_file using 1 nooutput
blocks = STATS_blocks
x_low = STATS_min > 1 ? STATS_min : 1
x_high = STATS_max
stats data_file using 2 nooutput
y_least = STATS_min < 0.1 ? (STATS_min > 1e-6 ? STATS_min : 1e-6) : 0.1
set logscale xy
set yrange [1:y_least]
shares = 'set ytics ("0" 1, "50%%" 0.5, "90%%" 1e-1, "99%%" 1e-2, "99.9%%" 1e-3, "99.99%%" 1e-4,' . \
    '"99.999%%" 1e-5, "99.9999%%" 1e-6)'
set xrange [x_low / 1.2:x_high * 1.2]
set xtics ("1 ns" 1, "" 10, "100 ns" 100, "" 1e3, "10 µs" 1e4, "" 1e5, "1 ms" 1e6, "" 1e7, \
           "100 ms" 1e8, "" 1e9)
color(i) = int(sprintf("0x%s", substr(word(layer_colors, digit(i, 0) + 1), 2, 7)))
mark(i) = int(word(layer_marks, digit(i, 0) + 1))
dash(i) = digit(i, 1) ? 2 : 1
set tmargin
set bmargin
# One key for all panels, beside them; curves that a panel lacks have none of their own.
set multiplot layout rows, columns margins 0.11, 0.83, pixels(80), 1 - pixels(80) \
    spacing 0.03, pixels(64)
do for [p=1:panels] {
    set title value(sprintf("panel%d", p)) font ",13" offset 0,-0.6
    if ((p - 1) % columns == 0) {
        set ylabel "share that took no longer"
        eval shares
    } else {
        unset ylabel
        set ytics ("" 1, "" 0.5, "" 1e-1, "" 1e-2, "" 1e-3, "" 1e-4, "" 1e-5, "" 1e-6)
    }
    if (p == 1) {
        set key at screen 0.84, screen 1 - pixels(80) left top vertical Left reverse samplen 3
        plot for [i=0:blocks-1] data_file index i \
                 using (panel(i) == p ? (column(1) < 1 ? 1 : column(1)) : NaN):2 with linespoints \
                 linecolor rgb color(i) linewidth 2 dashtype dash(i) \
                 pointtype mark(i) pointinterval 12 notitle, \
             keyentry with lines linecolor rgb "#000000" linewidth 2 dashtype 1 title "allocations", \
             keyentry with lines linecolor rgb "#000000" linewidth 2 dashtype 2 title "frees", \
             keyentry with linespoints linecolor rgb word(layer_colors, 1) linewidth 2 \
                 dashtype 1 pointtype 7 title "CPU layer", \
             keyentry with linespoints linecolor rgb word(layer_colors, 2) linewidth 2 \
                 dashtype 1 pointtype 9 title "shared store", \
             keyentry with linespoints linecolor rgb word(layer_colors, 3) linewidth 2 \
                 dashtype 1 pointtype 5 title "slabs", \
             keyentry with linespoints linecolor rgb word(layer_colors, 4) linewidth 2 \
                 dashtype 1 pointtype 13 title "pages"
        eval captions_done
        set key off
    } else {
        plot for [i=0:blocks-1] data_file index i \
                 using (panel(i) == p ? (column(1) < 1 ? 1 : column(1)) : NaN):2 with linespoints \
                 linecolor rgb color(i) linewidth 2 dashtype dash(i) \
                 pointtype mark(i) pointinterval 12 notitle
    }
}
unset multiplot
