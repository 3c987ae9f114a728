# Run gnuplot hackbench-locks-2-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-locks-2-threads.svg'
data_file = 'hackbench-locks-2-threads.dat'
title_text = 'Locks, 2 threads: bufctl waits most, 23% of the time'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
note_text = 'by class of lock; bars are median runs, whiskers span all runs'
array names[2] = ["left", "right"]
styles = ' 0 1 1 1 1 1 0 1 1 1'
part1 = 'CPU'
part2 = 'depot'
part3 = 'cache'
part4 = 'slab'
part5 = 'page records'
part6 = 'partial'
part7 = 'caches'
part8 = 'vmem'
part9 = 'boot'
part10 = 'zone'
parts = 10
y_lowest = -28
longest = 12
left_text = 'contended acquisitions, % of all of the design'
right_text = 'waiting, % of the time of all threads'
whole = 0

# Shares as stacked bars, a bar a design and magazine size (or number of threads); one panel, or two
# beside each other. The number beside a bar is its total, the
# whisker spans the totals of all runs.
# Data: a block a panel; columns height of the bar, label, total, lowest, highest, a column a part.
# Wants: data_file, parts, part1 ... (their names), styles (for each part 1 when it is ever more than
# nothing), left_text, right_text (of two panels), whole (1: the parts make 100%), y_lowest, longest
# (label, in letters), names, and what style.gp wants.
canvas_height = 200 + int(19 * (1 - y_lowest)) + (y_lowest > -6 ? 60 : 0)
load "style.gp"
fills = "#56B4E9 #E69F00 #D55E00 #000000 #009E73 #CC79A7 #0072B2 #F0E442 #999999 #DDDDDD"
if (whole) { fills = "#D5E8F5 #E69F00 #B04000 #000000" }
kept = ""
do for [n=1:parts] {
    if (int(word(styles, n))) { kept = kept . sprintf(" %d", n) }
}
below(n) = n > 1 ? (sum [k=6:n+4] column(k)) : 0
above(n) = sum [k=6:n+5] column(k)
panels = |names|
set tmargin
set bmargin
set border 2
set ytics scale 0
set grid noytics xtics
set style fill solid 1.0 noborder
set format x "%g%%"
shown(v) = v >= 99.95 ? "100%" : v >= 10 ? sprintf("%.0f%%", v) : sprintf("%.2g%%", v)
set key at screen 0.86, screen 1 - pixels(52) left top vertical Left reverse samplen 1.5
# A label may be long (malloc:LIBRARY, settings).
left = 0.03 + 0.0085 * (longest < 40 ? longest : 40)
right = 0.85
width = (right - left - (panels - 1) * 0.03) / panels
set multiplot
do for [p=1:panels] {
    set lmargin at screen left + (p - 1) * (width + 0.03)
    set rmargin at screen left + (p - 1) * (width + 0.03) + width
    set tmargin at screen 1 - pixels(52)
    set bmargin at screen pixels(100)
    set xlabel (p == 1 ? left_text : right_text)
    set xrange [*:*]
    set yrange [*:*]
    stats data_file index p - 1 using 5 nooutput
    set yrange [y_lowest - 0.8:0.8]
    set xrange [0:(whole ? 118 : STATS_max > 0 ? STATS_max * 1.3 : 1)]
    if (whole) { set xtics 0, 50, 100 } else { set xtics autofreq }
    if (p > 1) { unset ytics; set key off }
    plot for [i=1:words(kept)] n=int(word(kept, i)) \
             data_file index p - 1 using (below(n)):1:(below(n)):(above(n)):($1 - 0.4):($1 + 0.4) \
             with boxxyerror linetype 1 linecolor rgb word(fills, n) dashtype 1 title value(sprintf("part%d", n)), \
         data_file index p - 1 using (whole ? NaN : $3):1:4:5 with xerrorbars \
             linecolor rgb "#333333" linewidth 1 dashtype 1 pointtype 0 notitle, \
         data_file index p - 1 using (whole ? 100 : $5):1:(shown($3)) with labels left \
             offset 0.6,0 font ",10" textcolor rgb "#333333" notitle, \
         for [k=1:(p == 1)] data_file index 0 using (0):1:yticlabels(2) with points \
             pointsize 0 notitle
    eval captions_done
}
unset multiplot
