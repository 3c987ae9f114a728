# The live set over time: objects above, bytes below.
# Data: one block; columns time, objects, bytes.
# Wants: data_file, x_text, and what style.gp wants.
load "style.gp"
set key off
set tmargin
set bmargin
set style fill solid 0.25 noborder
set xrange [*:*] noextend
set yrange [0:*]
set multiplot layout 2, 1 margins 0.10, 0.97, pixels(100), 1 - pixels(56) spacing 0, pixels(24)
set ylabel "objects"
set format x ""
set format y "%.0s%c"
plot data_file using 1:2 with fillsteps linecolor rgb word(colors, 1), \
     data_file using 1:2 with steps linecolor rgb word(colors, 1) linewidth 1.5 dashtype 1
eval captions_done
set xlabel x_text
set format x
stats data_file using 3 nooutput
unit = STATS_max < 10240 ? 1 : STATS_max < 10485760 ? 1024 : STATS_max < 10737418240.0 ? 1048576 : \
       1073741824
set ylabel (unit == 1 ? "bytes" : unit == 1024 ? "KiB" : unit == 1048576 ? "MiB" : "GiB")
set format y "%g"
plot data_file using 1:($3 / unit) with fillsteps linecolor rgb word(colors, 2), \
     data_file using 1:($3 / unit) with steps linecolor rgb word(colors, 2) linewidth 1.5 dashtype 1
unset multiplot
