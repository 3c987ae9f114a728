# Where the memory is over time, stacked; the line is what callers had asked for.
# Data: one block, the design's name in its first line; columns x, then ten parts in MiB.
# Wants: data_file, x_text, part1 ... part10, styles (for each part 1 when it is ever more than
# nothing), and what style.gp wants.
load "style.gp"
set xlabel x_text
set ylabel "MiB"
set yrange [0:*]
set xrange [*:*] noextend
# Neighbors differ in lightness; a line parts them.
fills = "#56B4E9 #003F66 #CCCCCC #E69F00 #F0E442 #777777 #CC79A7 #009E73 #D55E00 #000000"
below(n) = n > 1 ? (sum [k=2:n] column(k)) : 0
height(n) = sum [k=2:n+1] column(k)
kept = ""
do for [n=1:10] {
    if (int(word(styles, n))) { kept = kept . sprintf(" %d", n) }
}
set style fill solid 1.0 noborder
set key invert
plot for [i=1:words(kept)] n=int(word(kept, i)) \
         data_file index 0 using 1:(below(n)):(height(n)) \
         with filledcurves linecolor rgb word(fills, n) title value(sprintf("part%d", n)), \
     for [i=1:words(kept)] n=int(word(kept, i)) \
         data_file index 0 using 1:(height(n)) with lines linecolor rgb "#ffffff" linewidth 0.7 \
         dashtype 1 notitle, \
     data_file index 0 using 1:2 with lines linecolor rgb "#000000" linewidth 2.5 dashtype 1 \
         title "requested bytes"
