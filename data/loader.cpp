#include "data/loader.h"

#include <utility>

#include "data/batch_maker.h"

namespace ember {

Loader::Loader(const Dataset& dataset, std::vector<int64_t> rows, const LoaderOptions& options)
    : maker_(options.device == Device::cuda
                 ? make_cuda_batch_maker(dataset, std::move(rows), options)
                 : make_cpu_batch_maker(dataset, std::move(rows), options)) {}
Loader::~Loader() = default;

int64_t Loader::row_count() const { return maker_->row_count(); }
int64_t Loader::batch_count() const { return maker_->batch_count(); }
void Loader::start_epoch(uint64_t epoch) { maker_->start_epoch(epoch); }
const Batch* Loader::next() { return maker_->next(); }

}  // namespace ember
