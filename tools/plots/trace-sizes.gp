# Sizes of allocations: bars are how many are of a size, lines how many, and bytes of how many, are
# of up to it.
# Data: one block; columns size (bytes), percent of the allocations of that size, percent of the
# allocations up to it, percent of the bytes up to it.
# Wants: data_file, and what style.gp wants.
load "style.gp"
stats data_file using 1 nooutput
x_low = STATS_min
x_high = STATS_max > STATS_min ? STATS_max : 2 * STATS_min
set logscale x 2
set xrange [x_low / 1.3:x_high * 1.3]
power(e) = e < 10 ? sprintf("%d", 2 ** e) : e < 20 ? sprintf("%dK", 2 ** (e - 10)) : \
           e < 30 ? sprintf("%dM", 2 ** (e - 20)) : sprintf("%dG", 2 ** (e - 30))
step = log(x_high / x_low) / log(2) > 16 ? 2 : 1
set xtics () nomirror
do for [e=0:42:step] { set xtics add (power(e) 2.0 ** e) }
set xlabel "bytes requested, log scale"
set ylabel "share of all (%)"
set yrange [0:100]
plot data_file using 1:2 with impulses linecolor rgb "#bbbbbb" linewidth 8 dashtype 1 \
         title "allocations of a size", \
     data_file using 1:3 with steps linecolor rgb word(colors, 1) linewidth 2 dashtype 1 \
         title "allocations up to it", \
     data_file using 1:4 with steps linecolor rgb word(colors, 2) linewidth 2 dashtype (16, 6) \
         title "bytes up to it"
