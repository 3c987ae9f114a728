# Common look of all pictures. Okabe and Ito's palette is safe for color-blind readers; each curve
# has a point type and a dash of its own, so that black and white will do.
# Wants: terminal_kind ("svg" or "png"), output_file, title_text, caption_text, note_text;
# canvas_height where
# a picture is higher than others.
set encoding utf8
if (!exists("canvas_height")) { canvas_height = 640 }
if (terminal_kind eq "png") {
    set terminal pngcairo size 1000,canvas_height font "sans,11" noenhanced
} else {
    set terminal svg size 1000,canvas_height font "sans,13" noenhanced background "white"
}
set output output_file
colors = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000"
marks = "7 5 9 11 13 4 6 8 10 12 14"
dashes = "1 2 4 5 3"
do for [i=1:77] {
    set linetype i linecolor rgb word(colors, (i - 1) % 7 + 1) linewidth 2 \
        pointtype int(word(marks, (i - 1) % 11 + 1)) pointsize 1 \
        dashtype int(word(dashes, (i - 1) % 5 + 1))
}
# What is no design: what the replay itself costs.
set linetype 1000 linecolor rgb "#999999" linewidth 1.5 pointtype 2 pointsize 0.8 dashtype 3
set grid linecolor rgb "#dddddd" linetype 1 dashtype 1 linewidth 1
set border 3
set tics nomirror
set key outside right top vertical Left reverse samplen 3 spacing 1.2
# Where title and caption stand: pixels count alike in pictures of any height.
pixels(n) = n / (1.0 * canvas_height)
set label 1 caption_text at screen 0.5, screen pixels(32) center font ",10" textcolor rgb "#444444"
set label 2 note_text at screen 0.5, screen pixels(13) center font ",10" textcolor rgb "#444444"
set label 3 title_text at screen 0.5, screen 1 - pixels(24) center \
    font sprintf(",%d", strlen(title_text) > 90 ? 12 : 15)
# In a picture of several panels they are drawn with the first.
captions_done = 'unset label 1; unset label 2; unset label 3'
set tmargin at screen 1 - pixels(52)
set bmargin at screen pixels(100)
# A logarithmic axis from y_low to y_high with room about them, rather than to the next power of
# ten; ticks at 1, 2, 5, fewer or more as the range is wide or narrow. Used as: eval log_y
wide(low, high) = high > 400 * low
marks(low, high) = wide(low, high)    ? "1" \
                   : high >= 8 * low   ? "1 2 5" \
                   : high >= 1.6 * low ? "1 1.5 2 3 4 5 6 8" \
                                       : "1 1.2 1.5 2 2.5 3 4 5 6 7 8 9"
log_y = 'set logscale y; set yrange [y_low / 1.3:y_high * 1.3]; set ytics () nomirror;' . \
    'set for [e=-4:9] for [m in marks(y_low, y_high)] ' . \
    'ytics add (sprintf("%g", m * 10.0 ** e) m * 10.0 ** e)'
log_x = 'set logscale x; set xrange [x_low / 1.1:x_high * 1.15]; set xtics () nomirror;' . \
    'set for [e=-4:9] for [m in (x_high < 8 * x_low ? "1 1.5 2 3 4 5 6 8" : "1 2 5")] ' . \
    'xtics add (sprintf("%g", m * 10.0 ** e) m * 10.0 ** e)'
