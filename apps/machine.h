#pragma once

#include <CLI/App.hpp>
#include <string>

#include "tensor/device.h"

/// Where a program computes: its options, and what they mean on this machine.
namespace ember {

/// Declares --device and --threads.
void add_machine_options(CLI::App& app, std::string& device, int& threads);

/// Declares --conv.
void add_conv_option(CLI::App& app, std::string& conv);

/// The device that "auto", "cpu" or "cuda" means on this machine, or "emulated" in a build that
/// offers it. "auto" is never the emulated GPU; where a build with CUDA finds no GPU it says why on
/// stderr and takes the CPU. Throws Error(unavailable) when "cuda" cannot be had.
Device select_device(const std::string& name);

/// Sets the number of threads (0: all), puts what was resolved into the arguments, and returns the
/// device. Throws as select_device.
Device use_machine(std::string& device, int& threads);

/// Chooses the kernels of convolutions on the resolved device and puts them into `conv`: "own" or
/// "cudnn". Throws Error(unavailable) when cuDNN is asked for and cannot be had.
void use_conv(std::string& conv, const std::string& device);

}  // namespace ember
