/* The complex functions that Wine's C runtime lacks, from mingw's library. complex_math.py builds and names them.

   Microsoft's _Dcomplex is a struct of two doubles and its _Fcomplex of two floats; its long double is a double. */
#include <complex.h>

typedef struct { double re, im; } wide;
typedef struct { float re, im; } narrow;

static double _Complex of_wide(wide z) { return __builtin_complex(z.re, z.im); }
static wide to_wide(double _Complex z) { wide r = {creal(z), cimag(z)}; return r; }
static double _Complex of_narrow(narrow z) { return __builtin_complex((double)z.re, (double)z.im); }
static narrow to_narrow(double _Complex z) { narrow r = {(float)creal(z), (float)cimag(z)}; return r; }

#define COMPLEX(name) \
    wide wine_##name(wide z) { return to_wide(name(of_wide(z))); } \
    wide wine_##name##l(wide z) { return to_wide(name(of_wide(z))); } \
    narrow wine_##name##f(narrow z) { return to_narrow(name(of_narrow(z))); }
#define REAL(name) \
    double wine_##name(wide z) { return name(of_wide(z)); } \
    double wine_##name##l(wide z) { return name(of_wide(z)); } \
    float wine_##name##f(narrow z) { return (float)name(of_narrow(z)); }

COMPLEX(cacos) COMPLEX(cacosh) COMPLEX(casin) COMPLEX(casinh) COMPLEX(catan) COMPLEX(catanh)
COMPLEX(ccos) COMPLEX(ccosh) COMPLEX(csin) COMPLEX(csinh) COMPLEX(ctan) COMPLEX(ctanh)
COMPLEX(cexp) COMPLEX(clog) COMPLEX(csqrt) COMPLEX(conj) COMPLEX(cproj)
REAL(cabs) REAL(carg) REAL(cimag) REAL(creal)

wide wine_cpow(wide z, wide w) { return to_wide(cpow(of_wide(z), of_wide(w))); }
wide wine_cpowl(wide z, wide w) { return to_wide(cpow(of_wide(z), of_wide(w))); }
narrow wine_cpowf(narrow z, narrow w) { return to_narrow(cpow(of_narrow(z), of_narrow(w))); }
