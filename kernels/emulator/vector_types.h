#pragma once

#include <cstdint>

// NOLINTBEGIN(bugprone-*,google-*,readability-*): the names are CUDA's

/// CUDA's vector types: 2 and 4 components aligned as a whole, so that one access moves them.

#define EMBER_VECTOR2(type, component, bytes) \
  struct alignas(bytes) type {                \
    component x, y;                           \
  };                                          \
  inline type make_##type(component x, component y) { return {x, y}; }

#define EMBER_VECTOR3(type, component) \
  struct type {                        \
    component x, y, z;                 \
  };                                   \
  inline type make_##type(component x, component y, component z) { return {x, y, z}; }

#define EMBER_VECTOR4(type, component, bytes)                                   \
  struct alignas(bytes) type {                                                  \
    component x, y, z, w;                                                       \
  };                                                                            \
  inline type make_##type(component x, component y, component z, component w) { \
    return {x, y, z, w};                                                        \
  }

EMBER_VECTOR2(float2, float, 8)
EMBER_VECTOR2(double2, double, 16)
EMBER_VECTOR2(int2, int, 8)
EMBER_VECTOR2(uint2, unsigned, 8)
EMBER_VECTOR2(uchar2, unsigned char, 2)
EMBER_VECTOR2(longlong2, long long, 16)
EMBER_VECTOR3(float3, float)
EMBER_VECTOR3(int3, int)
EMBER_VECTOR3(uint3, unsigned)
EMBER_VECTOR4(float4, float, 16)
EMBER_VECTOR4(int4, int, 16)
EMBER_VECTOR4(uint4, unsigned, 16)
EMBER_VECTOR4(uchar4, unsigned char, 4)
EMBER_VECTOR4(char4, signed char, 4)
EMBER_VECTOR4(ushort4, unsigned short, 8)

#undef EMBER_VECTOR2
#undef EMBER_VECTOR3
#undef EMBER_VECTOR4

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned size_x = 1, unsigned size_y = 1, unsigned size_z = 1)
      : x(size_x), y(size_y), z(size_z) {}
  constexpr explicit dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

// NOLINTEND(bugprone-*,google-*,readability-*)
