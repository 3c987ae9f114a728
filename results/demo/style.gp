# Common look of all pictures. Okabe and Ito's palette is safe for color-blind readers; each curve
# has a point type and a dash of its own, so that black and white will do.
# Wants: terminal_kind ("svg" or "png"), output_file.
if (terminal_kind eq "png") {
    set terminal pngcairo size 1000,640 font "sans,11" noenhanced
} else {
    set terminal svg size 1000,640 font "sans,13" noenhanced background "white"
}
set output output_file
set linetype 1 linecolor rgb "#0072B2" linewidth 2 pointtype 7 pointsize 0.9 dashtype 1
set linetype 2 linecolor rgb "#D55E00" linewidth 2 pointtype 5 pointsize 0.9 dashtype 2
set linetype 3 linecolor rgb "#009E73" linewidth 2 pointtype 9 pointsize 1.1 dashtype 4
set linetype 4 linecolor rgb "#CC79A7" linewidth 2 pointtype 11 pointsize 1.1 dashtype 5
set linetype 5 linecolor rgb "#E69F00" linewidth 2 pointtype 13 pointsize 1.1 dashtype 3
set linetype 6 linecolor rgb "#56B4E9" linewidth 2 pointtype 4 pointsize 0.9 dashtype 6
set linetype 7 linecolor rgb "#000000" linewidth 2 pointtype 6 pointsize 0.9 dashtype 7
set linetype 8 linecolor rgb "#999999" linewidth 2 pointtype 8 pointsize 1.1 dashtype 8
set linetype cycle 8
set grid linecolor rgb "#dddddd" linetype 1 dashtype 1 linewidth 1
set border 3
set tics nomirror
set key outside right top vertical Left reverse samplen 3 spacing 1.2
set title title_text font ",15"
set label 1 caption_text at screen 0.5, screen 0.02 center font ",11" textcolor rgb "#444444"
set bmargin 6
