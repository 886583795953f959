// The one place where the code of the stb headers is compiled. Files with a signature only: a
// format that any bytes might be, such as TGA, would turn a broken photo into noise.
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 65535  // image.h: kMaxImageSide
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
